import Synchronization

/// Limits the bytes of metas that have not been parsed yet: in total, and for each client address to a quarter of that.
/// The first bytes of each connection are not counted, so that small metas pass whatever other connections hold.
final class MetaBudget: Sendable {
    private struct State {
        var used = 0
        var clients: [String: Int] = [:]
    }

    /// The bytes that one connection holds. They are released with the last reference.
    final class Account: Sendable {
        private let client: String
        private let budget: MetaBudget
        private let held = Mutex(0)

        fileprivate init(_ client: String, _ budget: MetaBudget) { (self.client, self.budget) = (client, budget) }

        deinit { _ = hold(0) }

        /// Notes that the connection now holds `count` bytes.
        /// - Returns: `false` if that is too much.
        func hold(_ count: Int) -> Bool {
            held.withLock { held in
                let counted = max(0, count - MetaBudget.free)
                defer { held = counted }
                return budget.change(by: counted - held, client)
            }
        }
    }

    private let state = Mutex(State())
    private let limit: Int
    /// The number of bytes of each connection that are not counted.
    private static let free = 64 << 10

    init(limit: Int) { self.limit = limit }

    /// Creates the account of a new connection of `client`.
    func account(for client: String) -> Account { Account(client, self) }

    private func change(by count: Int, _ client: String) -> Bool {
        guard count != 0 else { return true }
        return state.withLock { state in
            state.used += count
            let own = state.clients[client, default: 0] + count
            state.clients[client] = own > 0 ? own : nil
            return count < 0 || state.used <= limit && own <= limit / 4
        }
    }
}
