// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSession
import Synchronization

/// The sockets of the synthesis protocol. Those that can be bound at the start are bound before the node announces
/// itself, so that a taken port makes the start fail, and the port to announce is known.
final class SynthesisSockets: Sendable {
    typealias Endpoint = InterfaceListeners.Endpoint

    /// The addresses to listen on.
    let addresses: SynthesisAddresses
    /// The port to announce. Sockets that are opened later use it if the configured port is 0.
    let announcedPort: UInt16
    /// The endpoints bound at the start, with their actual ports.
    let bound: [Endpoint: UInt16]
    private let gate: AcceptGate
    private let unused: Mutex<[Endpoint: SessionListener]>

    /// Binds the endpoints that can be bound now.
    /// - Parameters:
    ///   - addresses: the addresses to listen on.
    ///   - interfaces: the current interfaces.
    ///   - gate: limits the number of accepted connections.
    /// - Throws: `CloudletError` when an existing address can't be bound.
    init(
        _ addresses: SynthesisAddresses, on interfaces: [NetworkInterface], gate: AcceptGate = AcceptGate()
    ) async throws(CloudletError) {
        var sockets: [Endpoint: SessionListener] = [:]
        for endpoint in addresses.endpoints(on: interfaces) where sockets[endpoint] == nil {
            sockets[endpoint] = try await SessionServer.bind(address: endpoint.host, port: endpoint.port, gate: gate)
        }
        self.addresses = addresses
        self.gate = gate
        bound = sockets.mapValues(\.port)
        announcedPort =
            addresses.announcedPort(bound: bound, interfaces: interfaces) ?? addresses.configured.first?.port ?? 0
        unused = Mutex(sockets)
    }

    /// All ports that have a listener, or may get one.
    var ports: Set<UInt16> { Set(bound.values).union(addresses.configured.map(\.port)) }

    /// Returns the socket of an endpoint: one that is bound already, or a new one.
    func socket(on endpoint: Endpoint) async throws(CloudletError) -> SessionListener {
        if let socket = unused.withLock({ $0.removeValue(forKey: endpoint) }) { return socket }
        return try await SessionServer.bind(
            address: endpoint.host, port: endpoint.port == 0 ? announcedPort : endpoint.port, gate: gate)
    }
}
