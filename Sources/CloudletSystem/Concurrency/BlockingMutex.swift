package import CloudletCore
import Dispatch

/// Lets one thread at a time do something that takes a while, as writing to a file, into which the kernel lets one
/// writer at a time and meanwhile keeps the cores of the others busy. Here they sleep; Synchronization's `Mutex` spins.
package final class BlockingMutex: Sendable {
    private let free = DispatchSemaphore(value: 1)

    /// Nobody's turn.
    package init() {}

    /// Runs `body` when it is the caller's turn.
    package func take<Value>(_ body: () throws(CloudletError) -> Value) throws(CloudletError) -> Value {
        free.wait()
        defer { free.signal() }
        return try body()
    }
}
