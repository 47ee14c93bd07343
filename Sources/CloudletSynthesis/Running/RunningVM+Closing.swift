package import CloudletCore
import CloudletHypervisor
import CloudletSystem

extension RunningVM {
    /// Waits until the guest gives no more memory back. A Linux guest reports what it freed in rounds two seconds
    /// apart, so a silence longer than that is the end; after ten seconds nobody waits any more.
    package func waitForFreedMemory() async throws(CloudletError) {
        guard machine.machine.freePageReporting else { return }
        let step = Duration.milliseconds(250)
        var least = try memory.file.status().allocated
        var silence = 0
        for _ in 0..<40 where silence < 10 {
            do { try await Task.sleep(for: step) } catch { throw CloudletError(.interrupted, "interrupted") }
            let now = try memory.file.status().allocated
            silence = now < least - (1 << 20) ? 0 : silence + 1
            least = min(least, now)
        }
    }

    /// Asks the guest to shut down, as a press of the power button does, and waits until it has.
    /// - Returns: whether it has, within `patience`.
    /// - Throws: `CloudletError` when the VM can't be asked.
    func shutDown(within patience: Duration = .seconds(60)) async throws(CloudletError) -> Bool {
        guard await machine.isActive else { return true }
        // For one that sleeps the button only means to wake up.
        try await machine.wakeUp()
        try await machine.pressPowerButton()
        return try await poll(every: .milliseconds(200), for: patience) { () async throws(CloudletError) in
            !(await machine.isActive)
        }
    }
}
