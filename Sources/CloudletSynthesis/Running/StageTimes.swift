// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Synchronization

/// When the stages of a job began and how long they took. Stages may overlap.
package final class StageTimes: Sendable {
    /// The measured time of one stage.
    package struct Entry: Sendable, Hashable {
        /// The stage.
        package let stage: TimedStage
        /// The time from the start of the job to the start of the stage.
        package let start: Duration
        /// How long it took.
        package let duration: Duration
    }

    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant
    private let began: @Sendable (TimedStage) -> Void
    private let recorded = Mutex<[Entry]>([])

    /// Starts the clock.
    /// - Parameter began: called with each stage when it begins.
    package init(began: @escaping @Sendable (TimedStage) -> Void = { _ in }) {
        origin = clock.now
        self.began = began
    }

    /// The finished stages, in the order in which they began.
    package var entries: [Entry] { recorded.withLock { $0 }.sorted { $0.start < $1.start } }

    /// Time since the start.
    package var elapsed: Duration { clock.now - origin }

    /// Runs `body` and records its time as that of a stage.
    package func measure<Value>(
        _ stage: TimedStage, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let start = elapsed
        began(stage)
        let value = try await body()
        let entry = Entry(stage: stage, start: start, duration: elapsed - start)
        recorded.withLock { $0.append(entry) }
        return value
    }
}
