import CLinux
import Glibc

/// What a program inherits from the one that started it, and should not depend on.
package enum InheritedState {
    /// Brings signals and the standard descriptors into the state in which this program was tried. To be called first.
    ///
    /// A parent that ignores SIGCHLD makes the kernel remove children that nobody asked for yet, and waiting for them fails:
    /// no emulator starts. A blocked SIGTERM ends nothing. And a standard descriptor that is closed is given to the first
    /// file that is opened: a database, into which messages would be written then.
    package static func reset() {
        signal(SIGCHLD, SIG_DFL)
        signal(SIGPIPE, SIG_IGN)
        // A file that grows beyond the limit of its size fails as an error does.
        signal(SIGXFSZ, SIG_IGN)
        cloudlet_unblock_signals()
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Nothing is lost unseen: a result can't be written to a standard output that was closed.
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
