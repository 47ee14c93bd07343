import CLinux
import Glibc

/// A process that was found by its number, and stays the same one when the number is given to another.
package struct ProcessHandle: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Takes hold of the process with this number; `nil` when there is none.
    package init?(_ process: Int32) {
        descriptor = cloudlet_open_process(process)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Sends a signal; a process that has ended takes none.
    package func send(_ signal: Int32) { _ = cloudlet_signal_process(descriptor, signal) }
}
