// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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

    /// Whether the process has ended.
    package var hasEnded: Bool { wait(upTo: 0) }

    /// Waits until the process ends. Blocks.
    package func waitForEnd() { _ = wait(upTo: -1) }

    /// Waits until the process ends, or the task is cancelled.
    package func untilEnd() async { _ = try? await waitUntilReadable(descriptor) }

    /// Waits for the end of the process for some milliseconds; for -1, without a limit. A descriptor of a process
    /// becomes readable when the process ends (pidfd_open(2)).
    private func wait(upTo limit: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = unsafe poll(&entry, 1, limit)
            if ready >= 0 { return ready > 0 }
            if errno != EINTR { return true }
        }
    }

    /// Sends a signal. Does nothing if the process has ended.
    package func send(_ signal: Int32) { _ = cloudlet_signal_process(descriptor, signal) }
}
