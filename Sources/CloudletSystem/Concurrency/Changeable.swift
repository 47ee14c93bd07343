import Synchronization

/// A value that may be changed while others use it; each use sees the value of its moment.
public final class Changeable<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    /// Starts with `value`.
    public init(_ value: Value) { state = Mutex(value) }

    /// The value now.
    public var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
