// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Resets state that a program inherits from its parent process and should not depend on.
package enum InheritedState {
    /// Sets signals and the standard descriptors to a known state. Must be called first.
    ///
    /// If the parent ignores SIGCHLD, the kernel removes ended children before this program has waited for them, and no
    /// emulator can start. If SIGTERM is blocked, it does not stop the program. If a standard descriptor is closed, the
    /// first file that is opened gets its number, for example a database, and messages would be written into it.
    package static func reset() {
        signal(SIGCHLD, SIG_DFL)
        signal(SIGPIPE, SIG_IGN)
        // Writing beyond the file size limit then fails with an error.
        signal(SIGXFSZ, SIG_IGN)
        cloudlet_unblock_signals()
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Opened for reading, so that writing a result to a closed standard output fails with an error.
            let taken = unsafe open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
            if taken >= 0, taken != descriptor {
                dup2(taken, descriptor)
                close(taken)
            }
        }
    }

    /// Whether the parent process made this program ignore a signal, as `nohup` does.
    package static func ignores(_ number: Int32) -> Bool { cloudlet_ignores_signal(number) != 0 }
}
