public import CloudletCore
import Synchronization

/// When the stages of a job began and ended, measured from its start. Stages may overlap.
public final class StageTimes: Sendable {
    /// One stage.
    public struct Stage: Sendable, Hashable {
        /// What was done.
        public let name: String
        /// When it began, after the job's start.
        public let start: Duration
        /// How long it took.
        public let duration: Duration
    }

    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant
    private let recorded = Mutex<[Stage]>([])

    /// Starts the clock.
    public init() { origin = clock.now }

    /// The stages that have ended, in the order in which they began.
    public var stages: [Stage] { recorded.withLock { $0 }.sorted { $0.start < $1.start } }

    /// Time since the start.
    public var elapsed: Duration { clock.now - origin }

    /// Runs `body` as a stage.
    public func measure<Value>(
        _ name: String, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let start = elapsed
        let value = try await body()
        record(name, from: start)
        return value
    }

    /// Notes a stage that began at `start` and ends now.
    public func record(_ name: String, from start: Duration) {
        let stage = Stage(name: name, start: start, duration: elapsed - start)
        recorded.withLock { $0.append(stage) }
    }
}
