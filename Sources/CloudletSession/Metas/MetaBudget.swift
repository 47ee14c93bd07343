// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Limits the bytes that metas take: in total, and for each client address to a quarter of that.
final class MetaBudget: Sendable {
    /// The bytes of an account that are not counted, so that small metas pass whatever other clients hold.
    enum Exemption: Sendable {
        /// The first bytes.
        case first(Int)
        /// All bytes, as long as they are no more than this.
        case upTo(Int)

        fileprivate func counted(_ bytes: Int) -> Int {
            switch self {
            case .first(let exempt): max(0, bytes - exempt)
            case .upTo(let most): bytes > most ? bytes : 0
            }
        }
    }

    /// The bytes that one connection or session holds. They are released with the last reference.
    final class Account: Sendable {
        private let client: String
        private let budget: MetaBudget
        private let held = Mutex(0)

        fileprivate init(_ client: String, _ budget: MetaBudget) { (self.client, self.budget) = (client, budget) }

        deinit { _ = hold(0) }

        /// Changes the number of held bytes to `count`.
        /// - Returns: `false` if that is too much; then the number stays.
        func hold(_ count: Int) -> Bool {
            held.withLock { held in
                let counted = budget.exemption.counted(count)
                guard budget.change(by: counted - held, client) else { return false }
                held = counted
                return true
            }
        }
    }

    private struct State {
        var total = 0
        var clients: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int
    private let exemption: Exemption
    private let onRelease: @Sendable () -> Void

    /// Creates a budget of `limit` bytes. `onRelease` is called after counted bytes were released.
    init(limit: Int, exempting exemption: Exemption, onRelease: @escaping @Sendable () -> Void = {}) {
        (self.limit, self.exemption, self.onRelease) = (limit, exemption, onRelease)
    }

    /// The number of counted bytes.
    var bytes: Int { state.withLock(\.total) }

    /// Creates an account for `client` that holds nothing.
    func account(for client: String) -> Account { Account(client, self) }

    private func change(by count: Int, _ client: String) -> Bool {
        guard count != 0 else { return true }
        let fits = state.withLock { state in
            let own = state.clients[client, default: 0] + count
            guard count < 0 || state.total + count <= limit && own <= limit / 4 else { return false }
            state.total += count
            state.clients[client] = own > 0 ? own : nil
            return true
        }
        if count < 0 { onRelease() }
        return fits
    }
}
