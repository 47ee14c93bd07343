package import CloudletCore
import Glibc

/// Threads of their own for loops that wait in the kernel and are in a hurry to begin: made in a tenth of the time that
/// Foundation's take.
package enum DetachedThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// What to say where the system gives no thread.
    package static let refusal = CloudletError(
        .busy, "the system allows no more threads or processes",
        advice: "end some, or raise the limit (TasksMax of the service, pids.max, ulimit -u)")

    /// Runs `body` on a new thread. Where the system gives none, `body` is not run.
    /// - Returns: whether there is a thread.
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
