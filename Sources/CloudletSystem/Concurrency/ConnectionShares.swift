// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Shares a number of connection permits among sources. While permits are free, every source gets them. When all are
/// taken, an idle connection of the source with the most connections loses its permit to a source that has fewer.
package final class ConnectionShares: Sendable {
    /// The limit that one more connection would exceed.
    package enum Excess: Error, Sendable, Hashable {
        /// The limit of all connections, when none of them may be closed.
        case total
        /// The limit of the connections of one source.
        case source
    }

    /// The permit of one open connection.
    package final class Permit: Sendable {
        /// The source of the connection.
        package let source: String
        private let busy = Atomic(false)
        fileprivate let onRevoke: @Sendable () -> Void

        fileprivate init(_ source: String, _ onRevoke: @escaping @Sendable () -> Void) {
            self.source = source
            self.onRevoke = onRevoke
        }

        /// Whether the connection must not be closed for another one. A new connection is not busy.
        package var isBusy: Bool {
            get { busy.load(ordering: .relaxed) }
            set { busy.store(newValue, ordering: .relaxed) }
        }
    }

    private struct State {
        var total = 0
        /// The permits of each source, the oldest first.
        var sources: [String: [Permit]] = [:]
    }

    private let state = Mutex(State())

    /// Shares of which no permit is taken.
    package init() {}

    /// The number of connections with a permit.
    package var count: Int { state.withLock(\.total) }

    /// Takes a permit for a connection.
    /// - Parameters:
    ///   - source: the source of the connection.
    ///   - total: the number of permits.
    ///   - perSource: the number of permits that one source may have.
    ///   - onRevoke: closes the connection; called at most once, when its permit was given to another connection.
    /// - Returns: the permit.
    /// - Throws: the limit that would be exceeded.
    package func acquire(
        from source: String, total: Int, perSource: Int, onRevoke: @escaping @Sendable () -> Void
    ) throws(Excess) -> Permit {
        let (permit, revoked) = try state.withLock { (state) throws(Excess) -> (Permit, Permit?) in
            let own = state.sources[source, default: []].count
            guard own < perSource else { throw .source }
            var revoked: Permit?
            if state.total >= total {
                guard total > 0, let found = Self.leastNeeded(state, ifMoreThan: own) else { throw .total }
                Self.remove(found, &state)
                revoked = found
            }
            let permit = Permit(source, onRevoke)
            state.sources[source, default: []].append(permit)
            state.total += 1
            return (permit, revoked)
        }
        revoked?.onRevoke()
        return permit
    }

    /// Frees a permit. Can be called more than once.
    package func release(_ permit: Permit) { state.withLock { Self.remove(permit, &$0) } }

    /// The oldest idle connection of the source that has the most connections, among sources with an idle connection.
    private static func leastNeeded(_ state: State, ifMoreThan count: Int) -> Permit? {
        var found: (permit: Permit, among: Int)?
        for permits in state.sources.values where permits.count > max(count, found?.among ?? 0) {
            if let idle = permits.first(where: { !$0.isBusy }) { found = (idle, permits.count) }
        }
        return found?.permit
    }

    private static func remove(_ permit: Permit, _ state: inout State) {
        guard let index = state.sources[permit.source]?.firstIndex(where: { $0 === permit }) else { return }
        state.sources[permit.source]?.remove(at: index)
        if state.sources[permit.source]?.isEmpty == true { state.sources[permit.source] = nil }
        state.total -= 1
    }
}
