// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// A port of the guest. When it answers, the work in the VM is done.
struct AwaitedPort {
    let port: UInt16
    /// A reason why the guest may not boot, if there is one.
    let doubt: String?
    /// After this time without an answer, a hint is printed. Under emulation a guest boots in about a minute.
    var hintTimeout = Duration.seconds(60)
    /// The time between two requests. This is a poll because only an answer shows that a program in the guest listens.
    var interval = Duration.milliseconds(250)

    /// Sends requests until there is an answer. If that takes longer than `hintTimeout`, reports once what the user can
    /// do. A successful connection is no answer: QEMU accepts connections to a forwarded port even if nothing listens
    /// in the guest.
    /// - Throws: `CloudletError` when the task is cancelled, and the errors of `answers`.
    func wait(
        report: (String) -> Void, until answers: () async throws(CloudletError) -> Bool
    ) async throws(CloudletError) {
        if try await poll(every: interval, for: hintTimeout, answers) { return }
        report(
            "Port \(port) of the VM has not answered for \(hintTimeout.shown). Still waiting: Ctrl-C ends the command, and "
                + "--viewer shows the guest's screen." + (doubt.map { " Note: \($0)." } ?? ""))
        while !(try await answers()) {
            do { try await Task.sleep(for: interval) } catch { throw CloudletError(.interrupted, "interrupted") }
        }
    }
}
