import CloudletCore
import Glibc
import NIOCore

extension Channel {
    /// Makes the system check whether the other side of a TCP connection is still there: a host that left the WiFi sends
    /// nothing. A silent connection is probed after half of `limit` and closed when nothing was acknowledged within all of
    /// it. Does not wait until the options are set.
    /// - Parameter limit: whole seconds, at least 3.
    package func probePeer(atLatestAfter limit: Duration) {
        let seconds = max(3, Int(limit.seconds))
        for (option, value) in [
            (TCP_KEEPIDLE, seconds / 2), (TCP_KEEPINTVL, max(1, seconds / 6)), (TCP_KEEPCNT, 3),
            (TCP_USER_TIMEOUT, seconds * 1000),
        ] {
            let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: option))
            _ = setOption(name, value: value)
        }
    }

    /// Asks the other side, when it has been silent for a second, whether it still knows the connection. A host that does
    /// not refuses within a round trip, and the connection ends. Must be followed, after `Reachability.answer`, by
    /// `probePeer`, which sets the usual times again.
    package func askPeer() {
        let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE))
        _ = setOption(name, value: 1)
    }
}

/// How long to wait for a peer that may be gone.
package enum Reachability {
    /// Within what time of `askPeer` a connection ends that the other side does not know: a second is the least silence after
    /// which the system asks (tcp(7), TCP_KEEPIDLE), and the answer takes a round trip.
    package static let answer = Duration.seconds(2)
}
