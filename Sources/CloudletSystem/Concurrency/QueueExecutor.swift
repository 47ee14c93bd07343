// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// Runs an actor on a serial queue of its own, so that blocking C calls never block a thread of the common pool.
///
/// The queue is one of Dispatch because it takes a thread only while it has work: each VM has such an actor, which is
/// idle nearly all the time, and a thread of its own would cost memory and count against the limit of tasks. A blocked
/// queue does not hold up other ones: Dispatch runs a serial queue without a target as an overcommitted one, for which
/// it starts up to 255 threads, whatever the number of processors.
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
