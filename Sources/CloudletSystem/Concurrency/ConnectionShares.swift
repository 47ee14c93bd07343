import Synchronization

/// Shares a number of permits for connections among their sources: as long as some are free every source gets them; when
/// all are taken, an idle connection of the source that has most loses its permit to a source that has fewer.
package final class ConnectionShares: Sendable {
    /// The bound that one more connection would exceed.
    package enum Excess: Error, Sendable, Hashable {
        /// That of all connections, where none may be closed.
        case total
        /// That of the connections of one source.
        case source
    }

    /// What one connection is open with.
    package final class Permit: Sendable {
        /// Where the connection comes from.
        package let source: String
        private let busy = Atomic(false)
        fileprivate let onRevoke: @Sendable () -> Void

        fileprivate init(_ source: String, _ onRevoke: @escaping @Sendable () -> Void) {
            self.source = source
            self.onRevoke = onRevoke
        }

        /// Whether the connection does something that it is kept for. One that was just made does not.
        package var isBusy: Bool {
            get { busy.load(ordering: .relaxed) }
            set { busy.store(newValue, ordering: .relaxed) }
        }
    }

    private struct State {
        var total = 0
        /// Permits by source, the oldest first.
        var sources: [String: [Permit]] = [:]
    }

    private let state = Mutex(State())

    /// All permits are free.
    package init() {}

    /// Connections that have a permit.
    package var count: Int { state.withLock(\.total) }

    /// Takes a permit for a connection.
    /// - Parameters:
    ///   - source: where it comes from.
    ///   - total: permits there are.
    ///   - perSource: permits that one source may have.
    ///   - onRevoke: closes the connection; called at most once, when the permit was given to another one.
    /// - Returns: the permit.
    /// - Throws: the bound that does not allow it.
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

    /// Frees a permit. Safe to call more than once.
    package func release(_ permit: Permit) { state.withLock { Self.remove(permit, &$0) } }

    /// The oldest idle connection of the source that has most of those that have an idle one.
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
