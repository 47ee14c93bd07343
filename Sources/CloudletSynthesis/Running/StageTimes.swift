package import CloudletCore
import Synchronization

/// When the stages of a job began and ended, measured from its start. Stages may overlap.
package final class StageTimes: Sendable {
    /// One stage.
    package struct Stage: Sendable, Hashable {
        /// What was done.
        package let name: String
        /// When it began, after the job's start.
        package let start: Duration
        /// How long it took.
        package let duration: Duration
    }

    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant
    private let began: @Sendable (String) -> Void
    private let recorded = Mutex<[Stage]>([])

    /// Starts the clock.
    /// - Parameter began: is told each stage's name when it begins.
    package init(began: @escaping @Sendable (String) -> Void = { _ in }) {
        origin = clock.now
        self.began = began
    }

    /// The stages that have ended, in the order in which they began.
    package var stages: [Stage] { recorded.withLock { $0 }.sorted { $0.start < $1.start } }

    /// Time since the start.
    package var elapsed: Duration { clock.now - origin }

    /// Runs `body` as a stage.
    package func measure<Value>(
        _ name: String, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let start = elapsed
        began(name)
        let value = try await body()
        let stage = Stage(name: name, start: start, duration: elapsed - start)
        recorded.withLock { $0.append(stage) }
        return value
    }
}
