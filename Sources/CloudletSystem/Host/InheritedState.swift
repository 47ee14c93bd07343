import CLinux
import Glibc

/// What a program inherits from the program that started it, and should not depend on.
package enum InheritedState {
    /// Brings signals and the standard descriptors into a known state. Must be called first.
    ///
    /// When the parent ignores SIGCHLD, the kernel removes ended children before this program has waited for them: no
    /// emulator starts. A blocked SIGTERM stops nothing. And the number of a closed standard descriptor goes to the first
    /// file that is opened, for example a database, into which messages would be written then.
    package static func reset() {
        signal(SIGCHLD, SIG_DFL)
        signal(SIGPIPE, SIG_IGN)
        // Writing beyond the limit of a file's size fails with an error instead.
        signal(SIGXFSZ, SIG_IGN)
        cloudlet_unblock_signals()
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Opened for reading, so that writing a result to a closed standard output fails and is noticed.
            let taken = unsafe open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
            if taken >= 0, taken != descriptor {
                dup2(taken, descriptor)
                close(taken)
            }
        }
    }

    /// Whether the program that started this one wants it to survive a signal, as `nohup` does.
    package static func ignores(_ number: Int32) -> Bool { cloudlet_ignores_signal(number) != 0 }
}
