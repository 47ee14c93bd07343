import Synchronization

/// A value that costs something to find out and that is found out anew only when it is older than a while, however often
/// it is asked for.
package final class Cached<Value: Sendable>: Sendable {
    private let lifetime: Duration
    private let find: @Sendable () -> Value
    private let state = Mutex<(value: Value, found: ContinuousClock.Instant)?>(nil)

    /// Nothing is found out yet.
    /// - Parameters:
    ///   - lifetime: how old the value may be.
    ///   - find: finds it out; one caller at a time.
    package init(for lifetime: Duration, _ find: @escaping @Sendable () -> Value) {
        self.lifetime = lifetime
        self.find = find
    }

    /// The value.
    package var value: Value {
        state.withLock { state in
            if let state, ContinuousClock.now - state.found < lifetime { return state.value }
            let value = find()
            state = (value, ContinuousClock.now)
            return value
        }
    }
}
