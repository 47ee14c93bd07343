// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSystem
import Glibc
package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle

/// The node's HTTP server. It has one listener for each address of the chosen interfaces, and follows changes of the
/// network.
///
/// The port is the one in the node's record. If another program uses it, the server takes a free port and writes it
/// into the record, so that every advertiser announces the right one.
package struct NodeHTTPServer<Responder: HTTPResponder>: Service where Responder.Context == NodeRequestContext {
    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let responder: Responder
    private let logger: Logger
    private let shares = ConnectionShares()
    private let connections: Int
    private let gate: AcceptGate

    /// Requests are answered on separate threads, so that `/health` is answered even if the node is busy.
    private static var threads: WorkerPool { HTTPThreads.pool }

    /// Creates a server that answers with `responder`. The port is determined here, so that advertisers that start
    /// later announce the right one from the beginning.
    /// - Parameters:
    ///   - record: the node's record.
    ///   - interfaces: where to listen.
    ///   - responder: answers requests.
    ///   - connections: the largest number of connections at the same time.
    ///   - gate: limits the number of accepted connections.
    ///   - logger: receives failures.
    package init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>, responder: Responder,
        connections: Int = 512, gate: AcceptGate = AcceptGate(), logger: Logger
    ) {
        self.connections = connections
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
        let listeners = InterfaceListeners("HTTP", logger: logger, onFailure: leaveTakenPort) { endpoint, isBound in
            application(endpoint, isBound)
        }
        await withTaskExecutorPreference(Self.threads) {
            let changes = merge(record.values().map { _ in }, interfaces.values().map { _ in })
            await listeners.run(changes.map { endpoints })
        }
    }

    /// The endpoints to listen on now.
    private var endpoints: Set<InterfaceListeners.Endpoint> {
        let port = record.value.httpPort
        let hosts = interfaces.value.flatMap(\.scopedAddresses).map(\.description)
        return Set(hosts.map { InterfaceListeners.Endpoint(host: $0, port: port) })
    }

    /// Moves the whole server to another port if its port stays taken. It tries several times before, because a
    /// listener of this process may need a moment to release the port.
    private func leaveTakenPort(_ endpoint: InterfaceListeners.Endpoint, _ error: any Error, _ failures: Int) {
        guard failures == 4, (error as? IOError)?.errnoCode == EADDRINUSE else { return }
        move(from: endpoint.port, to: TCPPort.free(preferred: endpoint.port, at: interfaces.value))
    }

    private func application(
        _ endpoint: InterfaceListeners.Endpoint, _ isBound: @escaping @Sendable () -> Void
    ) -> Application<Responder> {
        var quiet = logger
        quiet.logLevel = .warning
        return Application(
            responder: responder,
            server: HTTPServerBuilder { [shares, connections] in
                GuardedHTTPChannel(shares: shares, connections: connections, responder: $0)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(endpoint.host, port: Int(endpoint.port)), serverName: UPnPDevice.server),
            onServerRunning: { [gate] listener in
                try? await gate.guardListener(listener).get()
                isBound()
            }, logger: quiet)
    }
}

/// The threads of all HTTP servers of this process.
private enum HTTPThreads {
    static let pool = WorkerPool(width: 2, label: "cloudlet-http")
}
