import CloudletCore
import CloudletSystem
import Glibc
import Synchronization

/// Why an emulator is gone that nobody asked to go.
struct EmulatorFailure {
    /// How its process ended, where this process was its parent.
    var end: ProcessEnd?
    /// Whether libvirt saw it go without the guest's having been shut down.
    var isFailure: Bool
    /// Whether the kernel has ended processes lately because memory was short.
    var memoryWasShort: Bool
    /// What it said last.
    var words: String?

    /// The error to report; `nil` when the guest was shut down as it should be.
    var error: CloudletError? {
        switch end {
        case .signalled(SIGKILL) where memoryWasShort:
            return CloudletError(
                .unavailable, "the emulator was killed by the kernel, as the memory was used up (OOM killer)",
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

    /// Whether QEMU ended in order because of a signal, which it reports with the sender's number. The driver in this
    /// process sends one as well when the guest was shut down.
    private static func wasEndedByOthers(_ words: String) -> Bool {
        guard let sender = words.firstRange(of: " from pid "), words.contains("terminating on signal ") else {
            return false
        }
        return Int32(words[sender.upperBound...].prefix(while: \.isNumber)) != getpid()
    }

    private var said: String { words.map { ": \($0)" } ?? "" }
}

/// Notices whether the kernel has ended processes lately because memory was short.
final class MemoryShortage: Sendable {
    /// The count of such ends at the last looks.
    private let seen = Mutex<[Int]>([])

    init() { look() }

    /// Looks every few seconds, until the task is cancelled: the kernel counts these ends, but reports no event of them.
    func watch() async {
        while (try? await Task.sleep(for: Self.interval)) != nil { look() }
    }

    private static let interval = Duration.seconds(5)

    private func look() {
        guard let count = OutOfMemoryKills.count else { return }
        seen.withLock { $0 = $0.suffix(1) + [count] }
    }

    /// Whether there were any since the look before the last.
    var isRecent: Bool {
        guard let count = OutOfMemoryKills.count, let before = seen.withLock(\.first) else { return false }
        return count > before
    }
}
