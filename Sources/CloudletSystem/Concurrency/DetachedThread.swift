// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc

/// Starts threads for loops that wait in the kernel. All threads of the program are started here. Starting one takes a
/// tenth of the time that Foundation's `Thread` takes.
package enum DetachedThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// The error for work that needs a thread when the system can't start one.
    package static let refusal = CloudletError(
        .busy, "the system allows no more threads or processes",
        advice: "end some of them, or raise the limit (TasksMax of the service, pids.max, ulimit -u)")

    /// Runs `body` on a new thread.
    /// - Returns: whether the system has started the thread. If not, `body` does not run.
    package static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let context = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        guard result == 0 else {
            unsafe Unmanaged<Body>.fromOpaque(context).release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
