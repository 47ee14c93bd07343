import CloudletCore
import CloudletSystem

/// A port of a guest whose answer says that the work in the VM is done.
struct AwaitedPort {
    let port: UInt16
    /// What speaks against the guest's booting, if anything.
    let doubt: String?
    /// After this time without an answer something may be wrong. Under emulation a guest boots in about a minute.
    var silence = Duration.seconds(60)
    /// Time between two questions.
    var interval = Duration.milliseconds(250)

    /// Asks until there is an answer; when that takes longer than `silence`, it is told once what can be done.
    /// - Throws: `CloudletError` when the task is cancelled, and what `answers` throws.
    func wait(
        tell: (String) -> Void, until answers: () async throws(CloudletError) -> Bool
    ) async throws(CloudletError) {
        let hasAnswered = try await poll(every: interval, for: silence, answers)
        if hasAnswered { return }
        tell(
            "Port \(port) of the VM has not answered for \(silence.shown). It is waited for; Ctrl-C gives it up, and "
                + "--viewer shows the guest's screen." + (doubt.map { " Note: \($0)." } ?? ""))
        while !(try await answers()) {
            do { try await Task.sleep(for: interval) } catch { throw CloudletError(.interrupted, "interrupted") }
        }
    }
}
