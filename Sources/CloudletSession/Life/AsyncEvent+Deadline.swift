import CloudletCore
import CloudletSystem

extension AsyncEvent {
    /// Waits until the event has happened, the deadline has passed, or the task is cancelled.
    func wait(until deadline: ContinuousClock.Instant?) async {
        guard let deadline else { return await wait() }
        _ = try? await withDeadline(deadline - .now) { () async throws(CloudletError) in await self.wait() }
    }
}
