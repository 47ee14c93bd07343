// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization

/// Decides which host ports overlays may use. Ports below 1,024, which a node running as root could open, and the ports
/// of the node's own services are refused, because other hosts on the LAN trust the services at these ports.
final class GuestPorts: Sendable {
    private let own = Mutex<@Sendable () -> Set<UInt16>>({ [] })
    private let isOpen: Bool

    /// `isOpen` says whether all ports may be used.
    init(isOpen: Bool) { self.isOpen = isOpen }

    /// Registers the ports of the node's own services, in addition to those of discovery. The closure is called for
    /// each decision.
    func reserve(_ ports: @escaping @Sendable () -> Set<UInt16>) { own.withLock { $0 = ports } }

    /// Whether an overlay may use the host port of a forward.
    func allow(_ forward: PortForward) -> Bool {
        let port = forward.hostPort
        return isOpen || port >= 1024 && !Self.discovery.contains(port) && !own.withLock { $0 }().contains(port)
    }

    /// SSDP (UDA 1.1, 1.1.2), WS-Discovery, mDNS (RFC 6762, 5), LLMNR (RFC 4795, 2).
    private static let discovery: Set<UInt16> = [1900, 3702, 5353, 5355]
}
