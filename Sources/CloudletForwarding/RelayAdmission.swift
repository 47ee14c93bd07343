// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import NIOCore
import Synchronization

/// Decides which of the accepted connections are relayed. The addresses of clients share them: one address may have all
/// connections while no other one wants any. When all are taken, the address with the most connections loses its oldest
/// one to an address that has fewer. A connection of an address that does not have fewer waits until a relayed one ends.
/// Addresses share the number of waiting connections in the same way, and what exceeds it is closed.
///
/// All calls must come from one event loop.
final class RelayAdmission: Sendable {
    private struct Waiting: Sendable {
        let channel: any Channel
        let permit: ConnectionShares.Permit
        let promise: EventLoopPromise<RelayedConnection>
    }

    private let relayed = ConnectionShares()
    private let waiting = ConnectionShares()
    /// The waiting connections, the oldest first.
    private let queue = Mutex<[Waiting]>([])

    /// Admits a connection that was just accepted.
    /// - Returns: the connection when it may be relayed. Fails when there is no room for it, not even to wait.
    func admit(_ outer: any Channel) -> EventLoopFuture<RelayedConnection> {
        if let connection = begin(outer) { return outer.eventLoop.makeSucceededFuture(connection) }
        let promise = outer.eventLoop.makePromise(of: RelayedConnection.self)
        let permit = try? waiting.acquire(
            from: Self.source(of: outer), total: RelayLimits.waiting, perSource: RelayLimits.waiting
        ) { outer.reset() }
        guard let permit else {
            promise.fail(ChannelError.ioOnClosedChannel)
            return promise.futureResult
        }
        queue.withLock { $0.append(Waiting(channel: outer, permit: permit, promise: promise)) }
        outer.closeFuture.whenComplete { [self] _ in leave(outer) }
        return promise.futureResult
    }

    /// Begins to relay a connection if it may be relayed now.
    private func begin(_ outer: any Channel) -> RelayedConnection? {
        let connection = RelayedConnection(outer)
        let permit = try? relayed.acquire(
            from: Self.source(of: outer), total: RelayLimits.relayed, perSource: RelayLimits.relayed
        ) { connection.reset() }
        guard let permit else { return nil }
        connection.whenEnded { [self] in
            relayed.release(permit)
            beginNext()
        }
        return connection
    }

    /// Begins to relay the connections that have waited longest, but takes no connection from other addresses: those
    /// that wait did not have fewer connections when they came.
    private func beginNext() {
        while relayed.count < RelayLimits.relayed {
            guard let next = queue.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
            waiting.release(next.permit)
            if let connection = begin(next.channel) {
                next.promise.succeed(connection)
            } else {
                next.promise.fail(ChannelError.ioOnClosedChannel)
            }
        }
    }

    /// Removes a waiting connection that was closed.
    private func leave(_ outer: any Channel) {
        let left = queue.withLock { queue -> Waiting? in
            guard let index = queue.firstIndex(where: { $0.channel === outer }) else { return nil }
            return queue.remove(at: index)
        }
        guard let left else { return }
        waiting.release(left.permit)
        left.promise.fail(ChannelError.ioOnClosedChannel)
    }

    private static func source(of outer: any Channel) -> String { outer.remoteAddress?.ipAddress ?? "" }
}

/// A connection of a client that is relayed, with the one to the VM.
final class RelayedConnection: Sendable {
    private let outer: any Channel
    private let inner = Mutex<(any Channel)?>(nil)

    init(_ outer: any Channel) { self.outer = outer }

    /// Joins it with the connection to the VM. Must be called on the event loop of both.
    func join(_ inner: any Channel) throws {
        do {
            try RelayHandler.join(outer, inner)
            self.inner.withLock { $0 = inner }
        } catch {
            inner.close(promise: nil)
            throw error
        }
    }

    /// Resets both connections.
    func reset() {
        outer.reset()
        inner.withLock { $0 }?.reset()
    }

    /// Calls `body` when both have ended: what a client has sent may still wait for the VM when its own connection ends.
    func whenEnded(_ body: @escaping @Sendable () -> Void) {
        outer.closeFuture.whenComplete { [self] _ in
            guard let inner = inner.withLock({ $0 }) else { return body() }
            inner.closeFuture.whenComplete { _ in body() }
        }
    }
}
