import CloudletCore
import Glibc
import NIOCore

extension Channel {
    /// Has the system look whether the other side of a TCP connection is still there: a host that left the WiFi says no
    /// word. Silent ones are probed from half of `limit` on; who acknowledges nothing for all of it is given up.
    /// Does not wait until that is settled.
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

    /// Asks the other side, when it has said nothing for a second, whether it knows the connection still. A host on which
    /// it is gone says so within a round trip, and the connection ends. To be followed, after `Reachability.answer`, by
    /// `probePeer`, which sets the usual times again.
    package func askPeer() {
        let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE))
        _ = setOption(name, value: 1)
    }
}

/// How long is waited for who may be gone.
package enum Reachability {
    /// Within what time of `askPeer` a connection ends that the other side does not know: a second is the least silence after
    /// which the system asks (tcp(7), TCP_KEEPIDLE), and the answer takes a round trip.
    package static let answer = Duration.seconds(2)
}
