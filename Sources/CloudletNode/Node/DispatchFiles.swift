// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CDispatchFiles
package import CloudletCore
import CloudletSystem
import Dispatch
import Glibc

/// Opens the files that libdispatch, which runs Swift's tasks and timers, would otherwise open later.
///
/// If the whole system has no more files (ENFILE, fs.file-max), the first timer of each clock would never fire, and
/// libdispatch would end the process when it examines the threads. With these files open already, the program
/// continues, and only operations that need a new file fail.
package enum DispatchFiles {
    /// Opens the files. Call it once, at the start of a program that runs for long.
    /// - Throws: `CloudletError` when the system has no more files.
    package static func keep() async throws(CloudletError) {
        guard cloudlet_keep_thread_state() == 0 else {
            throw CloudletError(errno: errno, "can't make a file in memory")
        }
        // There is one file for each clock (event_epoll.c, `_dispatch_timeout_program`), opened when its first timer is
        // set.
        let moment = Duration.milliseconds(1)
        _ = try? await Task.sleep(for: moment, clock: .continuous)
        _ = try? await Task.sleep(for: moment, clock: .suspending)
        let gate = AsyncEvent()
        let queue = DispatchQueue(label: "cloudlet-clocks")
        queue.asyncAfter(deadline: .now() + moment.seconds) {
            queue.asyncAfter(wallDeadline: .now() + moment.seconds) { gate.set() }
        }
        await gate.wait()
    }
}
