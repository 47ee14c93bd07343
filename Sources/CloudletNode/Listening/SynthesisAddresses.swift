// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// The addresses of the synthesis protocol, by the configuration.
struct SynthesisAddresses: Sendable {
    typealias Endpoint = InterfaceListeners.Endpoint

    /// The configured addresses in order; one without a host stands for every address of the interfaces.
    let configured: [ListenAddress]
    /// Whether the user chose the interfaces. If so, a loopback address is not added.
    let isConfined: Bool

    /// The endpoints on these interfaces, in the order of ``configured``.
    func endpoints(on interfaces: [NetworkInterface]) -> [Endpoint] {
        endpoints(on: interfaces, isConfined: isConfined)
    }

    private func endpoints(on interfaces: [NetworkInterface], isConfined: Bool) -> [Endpoint] {
        configured.flatMap { entry in
            (entry.address.map { [$0.description] } ?? Self.hosts(of: interfaces, isConfined: isConfined)).map {
                Endpoint(host: $0, port: entry.port)
            }
        }
    }

    /// The port to announce, chosen from the bound ones: the first configured port that clients on the interfaces can
    /// reach, or else the first one.
    func announcedPort(bound: [Endpoint: UInt16], interfaces: [NetworkInterface]) -> UInt16? {
        let all = endpoints(on: interfaces, isConfined: false)
        let near = Set(Self.hosts(of: interfaces, isConfined: true).compactMap(Self.address)).union(Self.wildcards)
        let reachable = all.filter { Self.address($0.host).map(near.contains) ?? false }
        return (reachable + all).lazy.compactMap { bound[$0] }.first
    }

    private static let wildcards = ["0.0.0.0", "::"].compactMap(IPAddress.init)

    /// Parses the address of a host that may have a zone.
    private static func address(_ host: String) -> IPAddress? {
        ScopedAddress(host)?.address
    }

    private static func hosts(of interfaces: [NetworkInterface], isConfined: Bool) -> [String] {
        var hosts = interfaces.flatMap(\.scopedAddresses).map(\.description)
        if !isConfined, !hosts.contains("127.0.0.1") { hosts.append("127.0.0.1") }
        return hosts
    }
}

extension SynthesisAddresses {
    /// Reads the configured addresses; the default is the protocol's port on every LAN address.
    init(_ settings: NodeConfiguration) {
        let configured = settings.listenAddresses
        self.init(
            configured: configured.isEmpty
                ? [ListenAddress(address: nil, port: NodeRecord.defaultSynthesisPort)] : configured,
            isConfined: !settings.interfaces.isEmpty)
    }
}
