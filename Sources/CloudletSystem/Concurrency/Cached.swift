// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that is expensive to compute: it is computed again only when the last result is older than a given time,
/// however often the value is read.
package final class Cached<Value: Sendable>: Sendable {
    private let lifetime: Duration
    private let compute: @Sendable () -> Value
    private let state = Mutex<(value: Value, computed: ContinuousClock.Instant)?>(nil)

    /// A value that is computed when it is first read.
    /// - Parameters:
    ///   - lifetime: how old the value may be.
    ///   - compute: computes the value; runs for one caller at a time.
    package init(for lifetime: Duration, _ compute: @escaping @Sendable () -> Value) {
        self.lifetime = lifetime
        self.compute = compute
    }

    /// The value.
    package var value: Value {
        state.withLock { state in
            if let state, ContinuousClock.now - state.computed < lifetime { return state.value }
            let value = compute()
            state = (value, ContinuousClock.now)
            return value
        }
    }
}
