import Synchronization

/// A value that may be changed while others use it; each use sees the value of its moment.
package final class LockedValue<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    /// Starts with `value`.
    package init(_ value: Value) { state = Mutex(value) }

    /// The value now.
    package var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
