import CloudletCore
import CloudletNetwork
import CloudletSession
import CloudletSystem
import Logging
import ServiceLifecycle

/// Serves the synthesis protocol on the addresses configured, or on every address of the chosen interfaces, following
/// the network.
struct SynthesisListener: Service {
    let server: SessionServer
    /// Sessions of an earlier node.
    let adopted: [AdoptedSession]
    let interfaces: CurrentValue<[NetworkInterface]>
    /// Sockets bound before the node said that it is there.
    let first: [Place: SessionListener]
    /// Whether addresses that come and go are followed.
    let follows: Bool
    /// What is configured.
    let wanted: [ListenAddress]
    /// Whether the user chose the interfaces.
    let confined: Bool
    /// The port that is announced; also that of further addresses where any port will do.
    let port: UInt16
    /// Bounds the connections that are accepted at all.
    var gate = AcceptGate()
    /// The addresses listened on.
    let bound: CurrentValue<Set<String>>
    let logger: Logger

    /// Where a socket is, or is to be, bound; port 0 stands for whatever port it was given.
    struct Place: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    /// Binds what can be bound now.
    /// - Throws: `CloudletError` when an address that is there can't be bound.
    static func bind(
        _ wanted: [ListenAddress], interfaces: [NetworkInterface], confined: Bool, gate: AcceptGate = AcceptGate()
    ) async throws(CloudletError) -> [Place: SessionListener] {
        var bound: [Place: SessionListener] = [:]
        for place in places(wanted, interfaces, confined: confined) where bound[place] == nil {
            bound[place] = try await SessionServer.bind(address: place.host, port: place.port, gate: gate)
        }
        return bound
    }

    /// Where to listen, in the order of `wanted`.
    private static func places(
        _ wanted: [ListenAddress], _ interfaces: [NetworkInterface], confined: Bool
    ) -> [Place] {
        wanted.flatMap { entry in
            (entry.address.map { [$0] } ?? hosts(of: interfaces, confined: confined)).map {
                Place(host: $0, port: entry.port)
            }
        }
    }

    /// The port to announce, of the ports that were `bound`: the first configured of those that clients on the
    /// interfaces can reach, or else the first.
    static func announced(
        _ wanted: [ListenAddress], bound: [Place: UInt16], interfaces: [NetworkInterface]
    ) -> UInt16? {
        let places = places(wanted, interfaces, confined: false)
        let near = Set(hosts(of: interfaces, confined: true).compactMap(address)).union(wildcards)
        let reachable = places.filter { address($0.host).map(near.contains) ?? false }
        return (reachable + places).lazy.compactMap { bound[$0] }.first
    }

    private static let wildcards = ["0.0.0.0", "::"].compactMap(IPAddress.init)

    /// The address of a host that may have a zone.
    private static func address(_ host: String) -> IPAddress? {
        ScopedAddress(host)?.address
    }

    /// The addresses of the interfaces, and the machine's own inside unless the user confined the node.
    static func hosts(of interfaces: [NetworkInterface], confined: Bool) -> [String] {
        var hosts = interfaces.flatMap(\.scopedAddresses).map(\.description)
        if !confined, !hosts.contains("127.0.0.1") { hosts.append("127.0.0.1") }
        return hosts
    }

    func run() async throws {
        let (listeners, feed) = AsyncStream.makeStream(of: SessionListener.self)
        for listener in first.values { feed.yield(listener) }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await server.serve(listeners, adopting: adopted) }
                if follows { await follow(feed) } else { try? await gracefulShutdown() }
                feed.finish()
                group.cancelAll()
            }
        }
    }

    private func follow(_ feed: AsyncStream<SessionListener>.Continuation) async {
        var bound = first
        for await interfaces in interfaces.values().cancelOnGracefulShutdown() {
            let places = Self.places(wanted, interfaces, confined: confined)
            for (place, listener) in bound where !places.contains(place) {
                await listener.close()
                bound[place] = nil
            }
            for place in places where bound[place] == nil {
                do {
                    let listener = try await SessionServer.bind(
                        address: place.host, port: place.port == 0 ? port : place.port, gate: gate)
                    bound[place] = listener
                    feed.yield(listener)
                } catch {
                    logger.warning("can't listen", metadata: ["address": "\(place.host)", "reason": "\(error)"])
                }
            }
            self.bound.set(Set(bound.keys.map(\.host)))
        }
    }
}
