/// The alarm clock of a loop that acts on events and, in between, at times that it knows itself. The loop checks what is due
/// whenever it runs, so one alarm is enough, and one that rings too early does no harm.
package struct Alarm {
    private var time: ContinuousClock.Instant?

    /// An alarm that is not set.
    package init() {}

    /// Sets the alarm, unless it is set for an earlier time already.
    /// - Parameters:
    ///   - time: when to ring; `nil` changes nothing.
    ///   - group: waits for the time; its end cancels the alarm.
    ///   - ring: is called at that time, and when the group is cancelled.
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
