import Synchronization

/// Counts open connections, in all and by source address.
public final class ConnectionCount: Sendable {
    /// The bound that one more connection would exceed.
    public enum Excess: Sendable, Hashable {
        /// That of all connections.
        case total
        /// That of the connections of one source.
        case source
    }

    private struct State {
        var total = 0
        var bySource: [String: Int] = [:]
    }

    private let state = Mutex(State())

    /// Counts nothing yet.
    public init() {}

    /// Counts a connection, if there are fewer than `total` of all and fewer than `perSource` of its source.
    /// - Returns: which bound stands against it, or `nil` when it was counted.
    public func open(from source: String, total: Int, perSource: Int) -> Excess? {
        state.withLock { state in
            guard state.total < total else { return .total }
            guard state.bySource[source, default: 0] < perSource else { return .source }
            state.total += 1
            state.bySource[source, default: 0] += 1
            return nil
        }
    }

    /// Takes a connection off.
    public func close(from source: String) {
        state.withLock { state in
            guard let count = state.bySource[source] else { return }
            state.total -= 1
            state.bySource[source] = count > 1 ? count - 1 : nil
        }
    }
}
