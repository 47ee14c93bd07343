import CloudletCore
import CloudletNetwork
import CloudletSession
import Synchronization

/// The sockets of the synthesis protocol. Those that can be bound when the node starts are bound before it announces itself,
/// so that a port that is taken ends the start, and the port announced is known.
final class SynthesisSockets: Sendable {
    typealias Endpoint = InterfaceListeners.Endpoint

    /// Where to listen.
    let addresses: SynthesisAddresses
    /// The port to announce; further addresses get it where any port will do.
    let announcedPort: UInt16
    /// The endpoints bound at the start, with the ports that they got.
    let bound: [Endpoint: UInt16]
    private let gate: AcceptGate
    private let unused: Mutex<[Endpoint: SessionListener]>

    /// Binds what can be bound now.
    /// - Parameters:
    ///   - addresses: where to listen.
    ///   - interfaces: the interfaces now.
    ///   - gate: bounds the connections that are accepted at all.
    /// - Throws: `CloudletError` when an address that exists can't be bound.
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

    /// All ports that are listened on, or will be.
    var ports: Set<UInt16> { Set(bound.values).union(addresses.configured.map(\.port)) }

    /// The socket of an endpoint: the one that is bound already, or a new one.
    func socket(on endpoint: Endpoint) async throws(CloudletError) -> SessionListener {
        if let socket = unused.withLock({ $0.removeValue(forKey: endpoint) }) { return socket }
        return try await SessionServer.bind(
            address: endpoint.host, port: endpoint.port == 0 ? announcedPort : endpoint.port, gate: gate)
    }
}
