import CloudletCore
import Glibc
import NIOCore

extension Channel {
    /// Has the system look whether the other side of a TCP connection is still there: a host that left the WiFi says no
    /// word. Silent ones are probed from half of `limit` on; who acknowledges nothing for all of it is given up.
    /// Does not wait until that is settled.
    /// - Parameter limit: whole seconds, at least 3.
    func probePeer(atLatestAfter limit: Duration) {
        let seconds = max(3, Int(limit.seconds))
        for (option, value) in [
            (TCP_KEEPIDLE, seconds / 2), (TCP_KEEPINTVL, max(1, seconds / 6)), (TCP_KEEPCNT, 3),
            (TCP_USER_TIMEOUT, seconds * 1000),
        ] {
            let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: option))
            _ = setOption(name, value: value)
        }
    }

    /// Asks the other side at once whether it knows the connection still. A host on which it is gone says so within a
    /// round trip, and the connection ends. To be followed by `probePeer`, which sets the usual times again.
    func askPeer() {
        let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE))
        _ = setOption(name, value: 1)
    }
}
