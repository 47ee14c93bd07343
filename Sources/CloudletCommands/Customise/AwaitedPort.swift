import CloudletCore
import CloudletSystem

/// A port of a guest whose answer says that the work in the VM is done.
struct AwaitedPort {
    let port: UInt16
    /// What speaks against the guest's booting, if anything.
    let doubt: String?
    /// After this time without an answer something may be wrong. Under emulation a guest boots in about a minute.
    var hintTimeout = Duration.seconds(60)
    /// Time between two questions.
    var interval = Duration.milliseconds(250)

    /// Asks until there is an answer; when that takes longer than `hintTimeout`, reports once what can be done. QEMU accepts
    /// connections to a forwarded port at once, whether or not the guest does: only asking shows it.
    /// - Throws: `CloudletError` when the task is cancelled, and what `answers` throws.
    func wait(
        report: (String) -> Void, until answers: () async throws(CloudletError) -> Bool
    ) async throws(CloudletError) {
        let hasAnswered = try await poll(every: interval, for: hintTimeout, answers)
        if hasAnswered { return }
        report(
            "Port \(port) of the VM has not answered for \(hintTimeout.shown). Still waiting; Ctrl-C gives up, and "
                + "--viewer shows the guest's screen." + (doubt.map { " Note: \($0)." } ?? ""))
        while !(try await answers()) {
            do { try await Task.sleep(for: interval) } catch { throw CloudletError(.interrupted, "interrupted") }
        }
    }
}
