import CloudletCore
import CloudletSystem
package import Logging
import ServiceLifecycle
import Synchronization

/// Looks again and again whether the parts of the node work.
///
/// One round after the other, so that a part that hangs costs one waiting call and no more, however often somebody
/// asks. What is asked for is the last round's finding; a round that does not end is a finding too.
package final class Health: Service {
    /// One part and how to try it.
    package struct Check: Sendable {
        let name: String
        let body: @Sendable () async throws(CloudletError) -> Void

        /// Names a part.
        /// - Parameters:
        ///   - name: what is tried, for people.
        ///   - body: throws why it does not work.
        init(_ name: String, _ body: @escaping @Sendable () async throws(CloudletError) -> Void) {
            self.name = name
            self.body = body
        }
    }

    private struct State {
        var reasons: [String]?
        var roundStart = ContinuousClock().now
        var current = "the first check"
        var isStopping = false
    }

    /// What watches over the node waits for nobody's work.
    static let threads = WorkerPool(width: 2, label: "cloudlet-watch")

    private let checks: [Check]
    private let interval: Duration
    private let patience: Duration
    private let logger: Logger
    private let state = Mutex(State())

    /// Health of these parts.
    /// - Parameters:
    ///   - checks: what has to work.
    ///   - interval: pause between two rounds.
    ///   - patience: how long a round may take.
    ///   - logger: where changes are told.
    package init(
        _ checks: [Check], interval: Duration = .seconds(2), patience: Duration = .seconds(10), logger: Logger
    ) {
        self.checks = checks
        self.interval = interval
        self.patience = patience
        self.logger = logger
    }

    /// Why the node can't take on sessions now; empty when it can.
    package var reasons: [String] {
        state.withLock { state in
            if state.isStopping { return ["the node is stopping"] }
            if let hanging = Self.hanging(state, patience) { return [hanging] }
            return state.reasons ?? ["the node is starting"]
        }
    }

    /// Whether rounds come to an end, whatever they find.
    package var isAlive: Bool {
        state.withLock { $0.isStopping || Self.hanging($0, patience) == nil }
    }

    /// Whether a first round has ended.
    package var hasBegun: Bool { state.withLock { $0.reasons != nil } }

    private static func hanging(_ state: State, _ patience: Duration) -> String? {
        let age = ContinuousClock().now - state.roundStart
        return age > patience ? "\(state.current): no answer for \(age.seconds.rounded()) s" : nil
    }

    /// Tries the parts until the service is shut down.
    package func run() async throws {
        await withGracefulShutdownHandler {
            await withTaskExecutorPreference(Self.threads) {
                while !Task.isCancelled, !Task.isShuttingDownGracefully {
                    await round()
                    await promptSleep(for: interval)
                }
            }
        } onGracefulShutdown: {
            self.state.withLock { $0.isStopping = true }
        }
    }

    private static func withoutFigures(_ reason: String) -> String { reason.filter { !$0.isNumber } }

    private func round() async {
        var reasons: [String] = []
        for check in checks {
            state.withLock { $0.current = check.name }
            do throws(CloudletError) { try await check.body() } catch { reasons.append("\(check.name): \(error)") }
        }
        let before = state.withLock { state in
            defer {
                state.reasons = reasons
                state.roundStart = ContinuousClock().now
            }
            return state.reasons ?? []
        }
        // Figures change with each round; that is no news.
        let known = Set(before.map(Self.withoutFigures))
        for reason in reasons where !known.contains(Self.withoutFigures(reason)) {
            logger.error("not ready", metadata: ["reason": "\(reason)"])
        }
        if reasons.isEmpty, !before.isEmpty { logger.notice("ready again") }
    }
}
