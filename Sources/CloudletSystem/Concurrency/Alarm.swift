// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A timer for a loop that acts on events and also at times that it computes itself. Whenever the loop runs, it checks
/// everything that is due, so one timer is enough, and an early call does no harm.
package struct Alarm {
    private var time: ContinuousClock.Instant?

    /// An alarm that is not set.
    package init() {}

    /// Sets the alarm, unless it is already set for an earlier time.
    /// - Parameters:
    ///   - time: when to call `ring`; `nil` changes nothing.
    ///   - group: runs the task that waits; cancelling the group calls `ring` at once.
    ///   - ring: called at that time, or when the group is cancelled.
    package mutating func set(
        for time: ContinuousClock.Instant?, in group: inout DiscardingTaskGroup, ring: @escaping @Sendable () -> Void
    ) {
        guard let time, self.time.map({ time < $0 || $0 <= .now }) ?? true else { return }
        self.time = time
        group.addTask {
            try? await Task.sleep(until: time, clock: .continuous)
            ring()
        }
    }
}
