// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletHypervisor
import CloudletSystem

extension RunningVM {
    /// Waits until the guest returns no more memory to the host. A Linux guest reports freed memory in rounds two
    /// seconds apart, so it has finished when a longer time passes without a report. The wait ends after ten seconds at
    /// the latest.
    package func waitForFreedMemory() async throws(CloudletError) {
        guard machine.machine.freePageReporting else { return }
        let clock = ContinuousClock()
        var least = try memory.file.status().allocated
        var changed = clock.now
        // The kernel reports no event when a file takes less memory.
        _ = try await poll(every: .milliseconds(250), for: .seconds(10)) { () throws(CloudletError) in
            let now = try memory.file.status().allocated
            if now < least - (1 << 20) { changed = clock.now }
            least = min(least, now)
            return clock.now - changed >= .milliseconds(2500)
        }
    }
}
