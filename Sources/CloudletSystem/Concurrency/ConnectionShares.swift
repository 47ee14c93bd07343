import Synchronization

/// Shares a number of places for connections among their sources: as long as there are free ones everybody gets some;
/// when all are taken, an idle connection of the source that has most gives way to one of a source that has fewer.
package final class ConnectionShares: Sendable {
    /// The bound that one more connection would exceed.
    package enum Excess: Error, Sendable, Hashable {
        /// That of all connections, where none may give way.
        case total
        /// That of the connections of one source.
        case source
    }

    /// The place of one connection.
    package final class Place: Sendable {
        /// Where the connection comes from.
        package let source: String
        private let busy = Atomic(false)
        fileprivate let giveWay: @Sendable () -> Void

        fileprivate init(_ source: String, _ giveWay: @escaping @Sendable () -> Void) {
            self.source = source
            self.giveWay = giveWay
        }

        /// Whether the connection does something that it is kept for. One that was just made does not.
        package var isBusy: Bool {
            get { busy.load(ordering: .relaxed) }
            set { busy.store(newValue, ordering: .relaxed) }
        }
    }

    private struct State {
        var total = 0
        /// Places by source, the oldest first.
        var sources: [String: [Place]] = [:]
    }

    private let state = Mutex(State())

    /// All places are free.
    package init() {}

    /// Connections that have a place.
    package var count: Int { state.withLock(\.total) }

    /// Takes a place for a connection.
    /// - Parameters:
    ///   - source: where it comes from.
    ///   - total: places there are.
    ///   - perSource: places that one source may have.
    ///   - giveWay: closes the connection; is called once at most, when the place was given to another one.
    /// - Returns: the place.
    /// - Throws: which bound stands against it.
    package func open(
        from source: String, total: Int, perSource: Int, giveWay: @escaping @Sendable () -> Void
    ) throws(Excess) -> Place {
        let (place, leaving) = try state.withLock { (state) throws(Excess) -> (Place, Place?) in
            let own = state.sources[source, default: []].count
            guard own < perSource else { throw .source }
            var leaving: Place?
            if state.total >= total {
                guard total > 0, let found = Self.leastNeeded(state, ifMoreThan: own) else { throw .total }
                Self.remove(found, &state)
                leaving = found
            }
            let place = Place(source, giveWay)
            state.sources[source, default: []].append(place)
            state.total += 1
            return (place, leaving)
        }
        leaving?.giveWay()
        return place
    }

    /// Frees a place. Safe to call more than once.
    package func close(_ place: Place) { state.withLock { Self.remove(place, &$0) } }

    /// The oldest idle connection of the source that has most of those that have an idle one.
    private static func leastNeeded(_ state: State, ifMoreThan count: Int) -> Place? {
        var found: (place: Place, among: Int)?
        for places in state.sources.values where places.count > max(count, found?.among ?? 0) {
            if let idle = places.first(where: { !$0.isBusy }) { found = (idle, places.count) }
        }
        return found?.place
    }

    private static func remove(_ place: Place, _ state: inout State) {
        guard let index = state.sources[place.source]?.firstIndex(where: { $0 === place }) else { return }
        state.sources[place.source]?.remove(at: index)
        if state.sources[place.source]?.isEmpty == true { state.sources[place.source] = nil }
        state.total -= 1
    }
}
