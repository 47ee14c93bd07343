import CDispatchFiles
package import CloudletCore
import CloudletSystem
import Dispatch
import Glibc

/// The files that libdispatch, and with it Swift's tasks and timers, opens while a program runs.
///
/// When the whole system has no more files (ENFILE, fs.file-max), a timer of a clock that was not used before would never
/// fire, and a look at the threads would end the process. With the files made beforehand the program goes on: only what
/// needs a new file fails.
package enum DispatchFiles {
    /// Makes them. Called once, at the start of a program that runs for long.
    /// - Throws: `CloudletError` when the system has no files now.
    package static func keep() async throws(CloudletError) {
        guard cloudlet_keep_thread_state() == 0 else {
            throw CloudletError(errno: errno, "can't make a file in memory")
        }
        // One for each clock (event_epoll.c, `_dispatch_timeout_program`), made when the first timer is set.
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
