// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletNetwork
package import CloudletSystem
package import Logging
import NIOCore

/// Listens for clients of the synthesis protocol and serves each in a task of its own.
package struct SessionServer: Sendable {
    /// The limits on clients.
    package typealias Limits = SessionLimits

    private let backend: any SynthesisBackend
    /// The limits on clients. A change applies to connections that come later; the time after a lost connection changes
    /// at once.
    package let limits: CurrentValue<Limits>
    private let logger: Logger
    private let budgets: ClientBudgets
    /// The VMs that could not be ended.
    package let unended: UnendedVMs
    /// The sessions, for lists and statistics.
    package let table: SessionTable

    /// Creates a server. It retries to end the VMs in `unended`, to which others may add VMs.
    package init(
        backend: any SynthesisBackend, limits: Limits = Limits(), unended: UnendedVMs, logger: Logger
    ) {
        self.backend = backend
        self.unended = unended
        self.limits = CurrentValue(limits)
        self.logger = logger
        budgets = ClientBudgets(limits)
        table = SessionTable()
    }

    /// Binds an address.
    /// - Parameters:
    ///   - address: an IPv4 or IPv6 address of this host, or a wildcard.
    ///   - port: the port; 0 picks a free one.
    ///   - gate: limits the number of accepted connections; several listeners share it.
    /// - Returns: the listener, to be passed to ``serve(_:)``.
    /// - Throws: `CloudletError.busy` when the port is taken.
    package static func bind(
        address: String, port: UInt16, gate: AcceptGate = AcceptGate()
    ) async throws(CloudletError) -> SessionListener {
        try await SessionListener(address: address, port: port, gate: gate)
    }

    /// Serves clients of the listeners that `listeners` yields, until the task is cancelled. When it returns, all
    /// sessions and their VMs have ended, unless VMs are to be kept or could not be ended.
    /// - Parameters:
    ///   - listeners: the bound sockets.
    ///   - adopted: sessions of an earlier server whose VMs run.
    package func serve<Listeners: AsyncSequence & Sendable>(
        _ listeners: Listeners, adopting adopted: [AdoptedSession] = []
    ) async where Listeners.Element == SessionListener {
        let timeouts = { @Sendable [limits] in
            SessionState.Timeouts(reconnect: limits.value.reconnectTimeout, lease: limits.value.lease)
        }
        let supervisor = SessionSupervisor(
            backend: backend, unended: unended, timeouts: timeouts, keepsVMs: limits.value.keepsVMs, logger: logger)
        await withDiscardingTaskGroup { group in
            group.addTask { await supervisor.run(adopting: adopted, table: table) }
            group.addTask { await unended.run() }
            group.addTask { for await _ in limits.values() { await table.timeoutsChanged() } }
            let limiter = ConnectionLimiter()
            do {
                for try await listener in listeners {
                    group.addTask { await accept(listener, supervisor, limiter) }
                }
            } catch {
                logger.error("the server accepts no more connections", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func accept(
        _ listener: SessionListener, _ supervisor: SessionSupervisor, _ limiter: ConnectionLimiter
    ) async {
        await withDiscardingTaskGroup { group in
            while let connection = try? await listener.next() {
                let (channel, client) = (connection.channel, connection.client)
                let permit: ConnectionShares.Permit
                do throws(CloudletError) {
                    permit = try limiter.acquire(client, limits.value) { [logger] in
                        channel.close(promise: nil)
                        logger.debug("an idle connection is closed for another one", metadata: ["client": "\(client)"])
                    }
                } catch {
                    group.addTask { await limiter.refuse(connection, error) }
                    continue
                }
                group.addTask {
                    defer { limiter.release(permit) }
                    await serve(connection, with: permit, supervisor)
                }
            }
            await listener.close()
        }
    }

    private func serve(
        _ connection: SessionListener.Connection, with permit: ConnectionShares.Permit, _ supervisor: SessionSupervisor
    ) async {
        let channel = connection.channel
        let unreachable = limits.value.unreachableTimeout
        let probe = { @Sendable (isUrgent: Bool) in
            if isUrgent { channel.askPeer() } else { channel.probePeer(atLatestAfter: unreachable) }
        }
        let served = ServerConnection(
            table: table, supervisor: supervisor, backend: backend, limits: limits.value, budgets: budgets,
            permit: permit, localAddress: connection.localAddress, probe: probe, logger: logger)
        probe(false)
        // `serve` logs connection failures.
        try? await connection.stream.executeThenClose { inbound, outbound in
            await served.serve(inbound, outbound, connection.arrived)
        }
    }
}
