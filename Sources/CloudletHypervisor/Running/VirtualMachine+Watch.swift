// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Synchronization

extension VirtualMachine {
    /// Runs `body`, which changes the state of the VM. If the task is cancelled or the time is over, the VM is ended,
    /// because only then do calls return that wait for an emulator that does not answer.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or `CloudletError.unavailable` when the time was over.
    package nonisolated func watched<Value>(
        within limit: Duration, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let end = Mutex<CloudletError?>(nil)
        let result = await Result.of { () async throws(CloudletError) in
            try await withDeadline(limit, body) { reason in
                // The log is read before the VM is ended, because QEMU reports that there too.
                let error = reason == .late ? self.lateness(limit) : CloudletError(.interrupted, "interrupted")
                end.withLock { $0 = error }
                try? await self.destroy()
            }
        }
        if let error = end.withLock({ $0 }) { throw error }
        return try result.get()
    }

    private nonisolated func lateness(_ limit: Duration) -> CloudletError {
        let error = CloudletError(
            .unavailable, "the emulator of VM \(name) did not do its work within \(limit.shown)")
        return quotingLog(error)
    }
}
