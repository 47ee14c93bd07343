// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Glibc
import Synchronization

/// Why an emulator ended although nothing in this program ended it.
struct EmulatorFailure {
    /// How its process ended, if this process was its parent.
    var end: ProcessEnd?
    /// Whether libvirt reported its end as a failure, not as a shutdown of the guest.
    var isFailure: Bool
    /// Whether the kernel has recently killed processes because memory was short.
    var memoryWasShort: Bool
    /// The last error messages in the emulator's log.
    var words: String?

    /// The error to report; `nil` when the guest was shut down normally.
    var error: CloudletError? {
        switch end {
        case .signalled(SIGKILL) where memoryWasShort:
            return CloudletError(
                .unavailable, "the kernel killed the emulator because the memory was used up (OOM killer)",
                advice: "give the machine or its control group more memory, or run fewer VMs")
        case .signalled(SIGKILL): return CloudletError(.unavailable, "the emulator was killed (SIGKILL)")
        case .signalled(let signal):
            return CloudletError(.unavailable, "the emulator crashed (\(ProcessEnd.signalled(signal)))\(said)")
        case .exited(let status) where isFailure:
            return CloudletError(
                .unavailable, "the emulator ended\(words == nil ? " with status \(status)" : "")\(said)")
        default: break
        }
        if let words, Self.wasEndedByOthers(words) {
            return CloudletError(.unavailable, "the emulator ended\(said)")
        }
        return isFailure ? CloudletError(.unavailable, "the emulator crashed or was killed\(said)") : nil
    }

    /// Whether another process ended QEMU with a signal. QEMU reports the sender's process number. The driver in this
    /// process also sends a signal, after the guest was shut down.
    private static func wasEndedByOthers(_ words: String) -> Bool {
        guard let sender = words.firstRange(of: " from pid "), words.contains("terminating on signal ") else {
            return false
        }
        return Int32(words[sender.upperBound...].prefix(while: \.isNumber)) != getpid()
    }

    private var said: String { words.map { ": \($0)" } ?? "" }
}

/// Checks whether the kernel has recently killed processes because memory was short.
final class MemoryShortage: Sendable {
    /// The counts of such kills at the last two checks.
    private let seen = Mutex<[Int]>([])

    init() { look() }

    /// Checks every few seconds until the task is cancelled. The kernel counts such kills but reports no events.
    func watch() async {
        while (try? await Task.sleep(for: Self.interval)) != nil { look() }
    }

    private static let interval = Duration.seconds(5)

    private func look() {
        guard let count = OutOfMemoryKills.count else { return }
        seen.withLock { $0 = $0.suffix(1) + [count] }
    }

    /// Whether there was such a kill since the check before the last one.
    var isRecent: Bool {
        guard let count = OutOfMemoryKills.count, let before = seen.withLock(\.first) else { return false }
        return count > before
    }
}
