import Dispatch

/// Runs an actor on a serial queue of its own, so that blocking C calls never block a thread of the common pool.
package final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    /// An executor whose queue has this label.
    package init(label: String) { queue = DispatchQueue(label: label) }

    /// Runs the job on the queue.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = unsafe asUnownedSerialExecutor()
        queue.async { unsafe job.runSynchronously(on: executor) }
    }
}
