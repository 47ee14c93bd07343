import CloudletCore
import CloudletSystem
import Synchronization

/// Which ports of the host overlays may open: not those below 1,024, which a node that runs as root could, nor those of
/// the node's own services. Others on the LAN trust who answers there.
final class GuestPorts: Sendable {
    private let own = Mutex<@Sendable () -> Set<UInt16>>({ [] })
    private let isOpen: Bool

    /// `isOpen`: all may be opened.
    init(isOpen: Bool) { self.isOpen = isOpen }

    /// Names the ports of the node's own services, beside those of discovery; asked anew each time.
    func reserve(_ ports: @escaping @Sendable () -> Set<UInt16>) { own.withLock { $0 = ports } }

    /// Whether an overlay may have the host port of a forward.
    func allow(_ forward: PortForward) -> Bool {
        let port = forward.hostPort
        return isOpen || port >= 1024 && !Self.discovery.contains(port) && !own.withLock { $0 }().contains(port)
    }

    /// SSDP (UDA 1.1, 1.1.2), WS-Discovery, mDNS (RFC 6762, 5), LLMNR (RFC 4795, 2).
    private static let discovery: Set<UInt16> = [1900, 3702, 5353, 5355]
}
