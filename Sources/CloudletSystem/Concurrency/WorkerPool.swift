package import CloudletCore
import Dispatch
import Glibc
import Synchronization

/// A fixed number of threads for work that keeps a core busy or blocks (compression, page compare, file I/O), as a
/// task executor: `Task(executorPreference:)` and `addTask(executorPreference:)` run on it.
///
/// The threads live as long as the process: a pool is made once and shared.
package final class WorkerPool: TaskExecutor {
    /// One thread a core, or as many as `CLOUDLET_WORKERS` says, shared by everything that computes.
    package static let shared = WorkerPool(width: wantedWidth ?? Processors.count, label: "cloudlet-worker")

    private static var wantedWidth: Int? {
        guard let text = unsafe getenv("CLOUDLET_WORKERS") else { return nil }
        return Int(unsafe String(cString: text)).flatMap { (1...1024).contains($0) ? $0 : nil }
    }

    /// Two threads for jobs that take seconds without a pause, so that they don't delay those of the shared pool.
    package static let background = WorkerPool(width: 2, label: "cloudlet-background")

    /// Runs `body` on a thread of the pool; it sees the cancellation of the calling task.
    package func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        do { return try await withTaskExecutorPreference(self) { try body() } } catch {
            throw .wrapping(error, .defect, "unexpected failure")
        }
    }

    /// How many jobs run at once.
    package let width: Int

    /// How many units of work that take so much memory each may be under way: enough to keep all threads busy, as far as
    /// `limit` bytes reach.
    package func unitsAtOnce(takingBytes bytes: Int, within limit: Int = 64 << 20) -> Int {
        min(width + 1, max(1, limit / max(1, bytes)))
    }

    private let jobs = Mutex<[UnownedJob]>([])
    private let available = DispatchSemaphore(value: 0)

    /// Starts `width` threads.
    package init(width: Int, label: String) {
        self.width = width
        let started = (0..<width).count { _ in DetachedThread.start { [self] in runJobs() } }
        // Without a single thread no job would ever run; Dispatch waits until the system starts one.
        if started == 0 { DispatchQueue(label: label).async { [self] in runJobs() } }
    }

    /// Hands a job to the next free thread.
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
