import AsyncAlgorithms
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSession
package import CloudletSystem
import Glibc
package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle

/// The node's HTTP server: one listener for each address of the chosen interfaces, and none elsewhere; follows the
/// network.
///
/// The port is the record's. When another program has it, a free one is taken and written into the record, so that
/// every advertiser announces the right one.
package struct NodeHTTPServer<Responder: HTTPResponder>: Service where Responder.Context == NodeRequestContext {
    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let responder: Responder
    private let logger: Logger
    private let shares = ConnectionShares()
    private let places: Int
    private let gate: AcceptGate

    /// Requests have threads of their own: `/health` is answered whatever else the node has to do.
    private static var threads: WorkerPool { HTTPThreads.pool }

    /// Where a listener is.
    private struct Door: Hashable {
        let host: String
        let port: UInt16
    }

    /// A server that answers with `responder`. Settles the port at once: advertisers that are started later announce
    /// it rightly from the beginning.
    /// - Parameters:
    ///   - record: the node's record.
    ///   - interfaces: where to listen.
    ///   - responder: answers requests.
    ///   - places: connections at the same time.
    ///   - gate: bounds the connections that are accepted at all.
    ///   - logger: where trouble is told.
    package init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>, responder: Responder,
        places: Int = 512, gate: AcceptGate = AcceptGate(), logger: Logger
    ) {
        self.places = places
        self.gate = gate
        self.record = record
        self.interfaces = interfaces
        self.responder = responder
        self.logger = logger
        let preferred = record.value.httpPort
        let free = TCPPort.free(preferred: preferred, at: interfaces.value)
        if free != preferred { move(from: preferred, to: free) }
    }

    private func move(from old: UInt16, to new: UInt16) {
        guard record.update({ if $0.httpPort == old { $0.httpPort = new } }) else { return }
        if old != 0 {
            logger.notice("HTTP port is taken by another program", metadata: ["port": "\(old)", "now": "\(new)"])
        }
    }

    /// Listens until the service is shut down.
    package func run() async throws {
        await withTaskExecutorPreference(Self.threads) { await followNetwork() }
    }

    private func followNetwork() async {
        await withDiscardingTaskGroup { group in
            var running: [Door: CurrentValue<Bool>] = [:]
            let changes = merge(record.values().map { _ in }, interfaces.values().map { _ in })
            for await _ in changes.cancelOnGracefulShutdown() {
                let port = record.value.httpPort
                let wanted = Set(
                    interfaces.value.flatMap(\.scopedAddresses).map { Door(host: "\($0)", port: port) })
                for (door, listening) in running where !wanted.contains(door) {
                    listening.set(false)
                    running[door] = nil
                }
                for door in wanted where running[door] == nil {
                    let listening = CurrentValue(true)
                    running[door] = listening
                    group.addTask { await listen(at: door, while: listening) }
                }
            }
        }
    }

    /// One listener, started again after a pause when it fails. Of a port that stays taken (an own listener of before
    /// may need a moment to go), the whole server moves away.
    private func listen(at door: Door, while listening: CurrentValue<Bool>) async {
        var failures = 0
        while listening.value, !Task.isCancelled, !Task.isShuttingDownGracefully {
            do {
                try await serve(at: door, while: listening)
            } catch {
                failures += 1
                let isTaken = (error as? IOError)?.errnoCode == EADDRINUSE
                if failures == 1, !isTaken {
                    logger.warning(
                        "can't serve HTTP here, will try again",
                        metadata: ["address": "\(door.host)", "error": "\(error)"])
                }
                if isTaken, failures == 4 {
                    move(from: door.port, to: TCPPort.free(preferred: door.port, at: interfaces.value))
                }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func serve(at door: Door, while listening: CurrentValue<Bool>) async throws {
        // Its own group, so that one address can be given up in good order: connections end their request.
        let service = ServiceGroup(services: [application(door)], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            group.addTask {
                for await goesOn in listening.values() where !goesOn { await service.triggerGracefulShutdown() }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func application(_ door: Door) -> Application<Responder> {
        var quiet = logger
        quiet.logLevel = .warning
        return Application(
            responder: responder,
            server: HTTPServerBuilder { [shares, places] in
                GuardedHTTPChannel(shares: shares, places: places, responder: $0)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(door.host, port: Int(door.port)), serverName: UPnPDevice.server),
            onServerRunning: { [gate] listener in try? await gate.guardListener(listener).get() }, logger: quiet)
    }
}

/// The threads of all HTTP servers of this process.
private enum HTTPThreads {
    static let pool = WorkerPool(width: 2, label: "cloudlet-http")
}
