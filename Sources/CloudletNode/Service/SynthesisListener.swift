import CloudletCore
import CloudletDiscovery
import CloudletSession
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
    let first: [String: SessionListener]
    /// Whether addresses that come and go are followed.
    let follows: Bool
    let port: UInt16
    /// The addresses listened on.
    let bound: CurrentValue<Set<String>>
    let logger: Logger

    /// Binds what can be bound now.
    /// - Throws: `CloudletError` when an address that is there can't be bound.
    static func bind(
        _ wanted: [ListenAddress], interfaces: [NetworkInterface], confined: Bool
    ) async throws(CloudletError) -> [String: SessionListener] {
        var bound: [String: SessionListener] = [:]
        for entry in wanted {
            for host in entry.address.map({ [$0] }) ?? hosts(of: interfaces, confined: confined) {
                bound[host] = try await SessionServer.bind(address: host, port: entry.port)
            }
        }
        return bound
    }

    /// The addresses of the interfaces, and the machine's own inside unless the user confined the node.
    static func hosts(of interfaces: [NetworkInterface], confined: Bool) -> [String] {
        var hosts = interfaces.flatMap { interface in
            interface.addresses.map { entry in
                entry.address.isLinkLocal && !entry.address.isV4
                    ? "\(entry.address)%\(interface.name)" : "\(entry.address)"
            }
        }
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
            let wanted = Self.hosts(of: interfaces, confined: false)
            for (host, listener) in bound where !wanted.contains(host) && host != "127.0.0.1" {
                await listener.close()
                bound[host] = nil
            }
            for host in wanted where bound[host] == nil {
                do {
                    let listener = try await SessionServer.bind(address: host, port: port)
                    bound[host] = listener
                    feed.yield(listener)
                } catch {
                    logger.warning("can't listen", metadata: ["address": "\(host)", "reason": "\(error)"])
                }
            }
            self.bound.set(Set(bound.keys))
        }
    }
}
