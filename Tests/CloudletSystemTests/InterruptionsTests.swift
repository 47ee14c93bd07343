// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

/// Programs that are asked to stop.
@Suite(.timeLimit(.minutes(1))) struct InterruptionsTests {
    private let interruptions = Interruptions()
    private let start = ContinuousClock.now

    /// Work that ends only when it is cancelled, which it tells by its error; it says when it has begun.
    private func work(until limit: Int, _ begun: AsyncEvent) async throws(CloudletError) {
        try await interruptions.run(until: limit) { () async throws(CloudletError) in
            begun.set()
            await AsyncEvent().wait()
            throw CloudletError(.interrupted, "was cancelled")
        }
    }

    @Test("work goes on in a task that is cancelled, until the program was asked to stop so often", arguments: [1, 2])
    func limits(limit: Int) async throws {
        let begun = AsyncEvent()
        let task = Task { try await work(until: limit, begun) }
        await begun.wait()
        task.cancel()
        // Beside it, work that stands one more: what cancels it is the wish that comes first too many.
        let other = AsyncEvent()
        let beside = Task { try await work(until: limit + 1, other) }
        await other.wait()
        for wish in 0..<limit { interruptions.add(at: start + .seconds(wish)) }
        let error = await #expect(throws: CloudletError.self) { try await task.value }
        #expect(error?.message == "was cancelled")
        let isOver = AsyncEvent()
        let watch = Task {
            _ = await beside.result
            isOver.set()
        }
        #expect(!isOver.isSet)
        interruptions.add(at: start + .seconds(limit))
        await watch.value
        #expect(isOver.isSet)
    }

    @Test("signals that come together are one wish; a wish that was met is forgotten")
    func counting() async throws {
        let value = try await interruptions.run(until: 1) { () throws(CloudletError) in 7 }
        #expect(value == 7)
        interruptions.add(at: start)
        interruptions.add(at: start + .milliseconds(200))
        #expect(try await interruptions.run(until: 2) { () throws(CloudletError) in 8 } == 8)
        let refused = await #expect(throws: CloudletError.self) {
            try await interruptions.run(until: 1) { () throws(CloudletError) in Issue.record("it ran") }
        }
        #expect(refused?.code == .interrupted)
        interruptions.settle()
        #expect(try await interruptions.run(until: 1) { () throws(CloudletError) in 9 } == 9)
        // The echo of the wish that was met.
        interruptions.add(at: start + .milliseconds(900))
        #expect(try await interruptions.run(until: 1) { () throws(CloudletError) in 10 } == 10)
    }
}
