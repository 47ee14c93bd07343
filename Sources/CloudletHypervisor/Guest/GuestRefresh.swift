// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Synchronization

/// What was done for a guest that was resumed from a saved state.
package struct GuestRefresh: Hashable, Sendable {
    /// The result for the clock or the random generator.
    package enum Outcome: Hashable, Sendable {
        /// It was done, or the guest's kernel does it without help.
        case done
        /// It was not done, for this reason.
        case missing(String)
    }

    /// Whether the guest's clock was set.
    package var clock: Outcome
    /// Whether the guest's random generator was seeded again.
    package var random: Outcome
    /// Why the guest's clock runs at a wrong speed on this host; `nil` if it does not.
    package var clockSpeed: String?

    /// Combines both results.
    package init(clock: Outcome, random: Outcome) {
        self.clock = clock
        self.random = random
    }

    /// A guest that booted here has the host's time, and has seeded its generator itself.
    package static let booted = GuestRefresh(clock: .done, random: .done)

    /// One line for each thing that was not done, with the reason, and one for a clock that runs at a wrong speed.
    package var warnings: [String] {
        var lines: [String] = []
        if case .missing(let reason) = clock {
            lines.append(
                "the guest's clock was not set (\(reason)): it continues from the second at which its state was saved")
        }
        if case .missing(let reason) = random {
            lines.append(
                "the guest's random generator was not seeded again (\(reason)): VMs of the same state may draw the same "
                    + "numbers, keys and UUIDs")
        }
        if let clockSpeed { lines.append(clockSpeed) }
        return lines
    }
}

/// The work of refreshing a guest. Clients are not kept waiting for a slow agent, so it may go on while the VM is used.
package final class GuestRefreshTask: Sendable {
    private let finished = Mutex<GuestRefresh?>(nil)
    private let end = AsyncEvent()

    /// Begins the work, which must limit its own time.
    init(_ work: @escaping @Sendable () async -> GuestRefresh) {
        // Not a child task: it goes on after the function that begins it has returned.
        Task { finish(await work()) }
    }

    /// The work for a guest that needs none.
    package init(finished result: GuestRefresh) { finish(result) }

    private func finish(_ result: GuestRefresh) {
        finished.withLock { $0 = result }
        end.set()
    }

    /// The result; `nil` while the work goes on.
    package var result: GuestRefresh? { finished.withLock { $0 } }

    /// Waits for the result.
    /// - Parameter limit: how long to wait; `nil` until the work ends, which it does by itself.
    /// - Returns: `nil` when the work goes on longer, or the task is cancelled.
    package func result(within limit: Duration?) async -> GuestRefresh? {
        await end.wait(until: limit.map { .now + $0 })
        return result
    }
}
