// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Dispatch
import Glibc
import Synchronization

/// A task executor with a fixed number of threads for work that computes or blocks (compression, page comparison, file
/// I/O). `Task(executorPreference:)` and `addTask(executorPreference:)` run on it.
///
/// The threads run as long as the process, so make a pool once and share it.
package final class WorkerPool: TaskExecutor {
    /// The pool for all computing, with one thread per core or the number in `CLOUDLET_WORKERS`.
    package static let shared = WorkerPool(width: wantedWidth ?? Processors.count, label: "cloudlet-worker")

    private static var wantedWidth: Int? {
        guard let text = unsafe getenv("CLOUDLET_WORKERS") else { return nil }
        return Int(unsafe String(cString: text)).flatMap { (1...1024).contains($0) ? $0 : nil }
    }

    /// Two threads for jobs that compute for seconds without a pause, so that they don't delay the shared pool.
    package static let background = WorkerPool(width: 2, label: "cloudlet-background")

    /// Runs `body` on a thread of the pool. It sees the cancellation of the calling task.
    package func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        do { return try await withTaskExecutorPreference(self) { try body() } } catch {
            throw .wrapping(error, .defect, "unexpected failure")
        }
    }

    /// How many jobs run at once.
    package let width: Int

    /// How many units of work that each need this much memory may run at once: enough to keep all threads busy, but
    /// within `limit` bytes.
    package func unitsAtOnce(takingBytes bytes: Int, within limit: Int = 64 << 20) -> Int {
        min(width + 1, max(1, limit / max(1, bytes)))
    }

    private let jobs = Mutex<[UnownedJob]>([])
    private let available = DispatchSemaphore(value: 0)

    /// Starts `width` threads.
    package init(width: Int, label: String) {
        self.width = width
        let started = (0..<width).count { _ in DetachedThread.start { [self] in runJobs() } }
        // Without a thread, no job would ever run. Dispatch waits until the system can start one.
        if started == 0 { DispatchQueue(label: label).async { [self] in runJobs() } }
    }

    /// Passes a job to the next free thread.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        available.signal()
    }

    private func runJobs() {
        let executor = unsafe asUnownedTaskExecutor()
        while true {
            available.wait()
            if let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                unsafe job.runSynchronously(on: executor)
            }
        }
    }
}
