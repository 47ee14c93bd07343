// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Dispatch

/// A mutex for operations that take long, such as writing to a file: the kernel lets only one writer at a time into a
/// file, and the other writers spin. With this mutex they sleep. Synchronization's `Mutex` spins too.
package final class BlockingMutex: Sendable {
    private let free = DispatchSemaphore(value: 1)

    /// An unlocked mutex.
    package init() {}

    /// Runs `body` while the caller holds the mutex.
    package func take<Value>(_ body: () throws(CloudletError) -> Value) throws(CloudletError) -> Value {
        free.wait()
        defer { free.signal() }
        return try body()
    }
}
