// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Synchronization
import Testing

@testable import CloudletSystem

@Suite(.timeLimit(.minutes(1))) struct DeadlineTests {
    /// Runs work that waits for `end`, and records why it had to end.
    private func wait(
        _ limit: Duration, _ end: AsyncEvent, begun: AsyncEvent = AsyncEvent()
    ) async -> (result: Result<Int, CloudletError>, expiries: [Expiry]) {
        let expiries = Mutex<[Expiry]>([])
        let result = await Result.of { () async throws(CloudletError) in
            try await withDeadline(limit) { () async throws(CloudletError) in
                begun.set()
                // Unlike the event itself, this wait does not notice a cancelled task.
                await shielded { await end.wait() }
                return 7
            } orEnd: { reason in
                expiries.withLock { $0.append(reason) }
                end.set()
            }
        }
        return (result, expiries.withLock { $0 })
    }

    @Test("work that ends in time is not ended")
    func inTime() async throws {
        let end = AsyncEvent()
        end.set()
        let (result, expiries) = await wait(.seconds(600), end)
        #expect(try result.get() == 7 && expiries.isEmpty)
    }

    @Test("work that takes too long is ended once, and what it returns then is returned")
    func late() async throws {
        let (result, expiries) = await wait(.milliseconds(20), AsyncEvent())
        #expect(try result.get() == 7 && expiries == [.late])
    }

    @Test("work of a cancelled task is ended at once")
    func cancelled() async throws {
        let begun = AsyncEvent()
        let work = Task { await wait(.seconds(600), AsyncEvent(), begun: begun) }
        await begun.wait()
        work.cancel()
        #expect(await work.value.expiries == [.cancelled])
    }

    @Test("a result that can't be hastened is waited for no longer than allowed, nor in a cancelled task")
    func results() async {
        let end = AsyncEvent()
        #expect(await resultWithin(.seconds(600)) { 1 } == 1)
        #expect(await resultWithin(.milliseconds(20)) { await end.wait() } == nil)
        let begun = AsyncEvent()
        let work = Task {
            await resultWithin(.seconds(600)) {
                begun.set()
                await end.wait()
            }
        }
        await begun.wait()
        work.cancel()
        #expect(await work.value == nil)
        end.set()
    }

    @Test("waiting for an event ends with the event or at the deadline")
    func events() async {
        let event = AsyncEvent()
        let deadline = ContinuousClock.now + .milliseconds(20)
        await event.wait(until: deadline)
        #expect(!event.isSet && ContinuousClock.now >= deadline)
        event.set()
        await event.wait(until: ContinuousClock.now + .seconds(600))
        await event.wait(until: nil)
    }
}
