import Synchronization

/// The open connections of a server, shared among those who connect. When all places are taken, who has fewer than
/// others gets one of theirs; and where nobody has more, the place of a connection that has had its time: requests to a
/// node are short.
final class OpenConnections<Source: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let number: Int
        let start: ContinuousClock.Instant
        let end: @Sendable () -> Void
    }

    private struct State: Sendable {
        /// Of each source, the oldest first.
        var entries: [Source: [Entry]] = [:]
        var count = 0
        var next = 0
    }

    private let total: Int
    private let perSource: Int
    private let patience: Duration
    private let state = Mutex(State())

    /// At most `total` connections, `perSource` of one source. One that is older than `patience` may be ended for others.
    init(total: Int, perSource: Int, patience: Duration = .seconds(3)) {
        self.total = total
        self.perSource = perSource
        self.patience = patience
    }

    /// How many there are.
    var count: Int { state.withLock(\.count) }

    /// Counts a connection. `end` ends it, when others need its place.
    /// - Returns: its number, for `close`; `nil` when there is no place for it.
    func open(
        from source: Source, at now: ContinuousClock.Instant = .now, end: @escaping @Sendable () -> Void
    ) -> Int? {
        let (number, ended): (Int?, Entry?) = state.withLock { state in
            let own = state.entries[source]?.count ?? 0
            guard own < perSource else { return (nil, nil) }
            var ended: Entry?
            if state.count >= total {
                guard let victim = victim(of: state, for: own, at: now) else { return (nil, nil) }
                ended = remove(0, from: victim, &state)
            }
            state.next += 1
            state.count += 1
            state.entries[source, default: []].append(Entry(number: state.next, start: now, end: end))
            return (state.next, ended)
        }
        ended?.end()
        return number
    }

    /// Takes a connection off.
    func close(_ number: Int, from source: Source) {
        state.withLock { state in
            guard let index = state.entries[source]?.firstIndex(where: { $0.number == number }) else { return }
            _ = remove(index, from: source, &state)
        }
    }

    /// Whose oldest connection makes room for a source that has `own`.
    private func victim(of state: State, for own: Int, at now: ContinuousClock.Instant) -> Source? {
        if let greediest = state.entries.max(by: { $0.value.count < $1.value.count }), greediest.value.count > own + 1 {
            return greediest.key
        }
        let oldest = state.entries.compactMap { entry in entry.value.first.map { (entry.key, $0.start) } }
            .min { $0.1 < $1.1 }
        return oldest.flatMap { now - $0.1 >= patience ? $0.0 : nil }
    }

    private func remove(_ index: Int, from source: Source, _ state: inout State) -> Entry? {
        let entry = state.entries[source]?.remove(at: index)
        if state.entries[source]?.isEmpty == true { state.entries[source] = nil }
        if entry != nil { state.count -= 1 }
        return entry
    }
}
