package import CloudletCore
import CloudletHypervisor
import CloudletSystem

extension RunningVM {
    /// Waits until the guest gives no more memory back. A Linux guest reports what it freed in rounds two seconds apart, so
    /// that nothing more is to come when a longer time than that has passed without; after ten seconds the wait ends anyway.
    package func waitForFreedMemory() async throws(CloudletError) {
        guard machine.machine.freePageReporting else { return }
        let clock = ContinuousClock()
        var least = try memory.file.status().allocated
        var changed = clock.now
        // The kernel reports no event when a file becomes smaller.
        _ = try await poll(every: .milliseconds(250), for: .seconds(10)) { () throws(CloudletError) in
            let now = try memory.file.status().allocated
            if now < least - (1 << 20) { changed = clock.now }
            least = min(least, now)
            return clock.now - changed >= .milliseconds(2500)
        }
    }
}
