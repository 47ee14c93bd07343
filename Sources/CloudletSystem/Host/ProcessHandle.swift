import CLinux
import Glibc

/// A handle of a process (pidfd). It keeps referring to the same process when the process number is used again.
package struct ProcessHandle: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Opens the process with this number; `nil` when there is none.
    package init?(_ process: Int32) {
        descriptor = cloudlet_open_process(process)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Sends a signal. Does nothing if the process has ended.
    package func send(_ signal: Int32) { _ = cloudlet_signal_process(descriptor, signal) }
}
