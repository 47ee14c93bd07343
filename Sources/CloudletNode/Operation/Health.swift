import CloudletCore
import CloudletSystem
package import Logging
import ServiceLifecycle
import Synchronization

/// Tries again and again whether the parts of the node work.
///
/// One round follows the other, so that a part that hangs costs one waiting call and no more, however often somebody asks.
/// The answer is the last round's finding; a round that does not end is a finding too.
package final class Health: Service {
    /// A part and how to try it.
    package struct Check: Sendable {
        let name: String
        let body: @Sendable () async throws(CloudletError) -> Void

        /// Names a part.
        /// - Parameters:
        ///   - name: what is tried, for people.
        ///   - body: tries it, and throws why it does not work.
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

    /// Threads of its own: what watches over the node must not wait for other work.
    static let threads = WorkerPool(width: 2, label: "cloudlet-watch")

    private let checks: [Check]
    private let interval: Duration
    private let timeout: Duration
    private let logger: Logger
    private let state = Mutex(State())
    /// Happens when all parts have been tried once.
    let firstRound = AsyncEvent()

    /// Health of these parts.
    /// - Parameters:
    ///   - checks: what has to work.
    ///   - interval: pause between two rounds.
    ///   - timeout: how long a round may take.
    ///   - logger: receives changes.
    package init(
        _ checks: [Check], interval: Duration = .seconds(2), timeout: Duration = .seconds(10), logger: Logger
    ) {
        self.checks = checks
        self.interval = interval
        self.timeout = timeout
        self.logger = logger
    }

    /// Why the node can't take on sessions now; empty when it can.
    package var reasons: [String] {
        state.withLock { state in
            if state.isStopping { return ["the node is stopping"] }
            if let hanging = Self.hanging(state, timeout) { return [hanging] }
            return state.reasons ?? ["the node is starting"]
        }
    }

    /// Whether rounds come to an end, whatever they find.
    package var isAlive: Bool {
        state.withLock { $0.isStopping || Self.hanging($0, timeout) == nil }
    }

    private static func hanging(_ state: State, _ timeout: Duration) -> String? {
        let age = ContinuousClock().now - state.roundStart
        return age > timeout ? "\(state.current): no answer for \(age.seconds.rounded()) s" : nil
    }

    /// Tries the parts until the service is shut down.
    package func run() async throws {
        await withGracefulShutdownHandler {
            await cancelWhenGracefulShutdown {
                await withTaskExecutorPreference(Self.threads) {
                    while !Task.isCancelled {
                        await self.round()
                        await promptSleep(for: self.interval)
                    }
                }
            }
        } onGracefulShutdown: {
            self.state.withLock { $0.isStopping = true }
        }
    }

    private func round() async {
        var reasons: [String] = []
        for check in checks {
            state.withLock { $0.current = check.name }
            if let failure = await failure(of: check) { reasons.append("\(check.name): \(failure)") }
            if Task.isCancelled { return }
        }
        let before = state.withLock { state in
            defer {
                state.reasons = reasons
                state.roundStart = ContinuousClock().now
            }
            return state.reasons ?? []
        }
        firstRound.set()
        // Figures change with each round; a reason with other figures is the same reason.
        let known = Set(before.map(Self.withoutFigures))
        for reason in reasons where !known.contains(Self.withoutFigures(reason)) {
            logger.error("not ready", metadata: ["reason": "\(reason)"])
        }
        if reasons.isEmpty, !before.isEmpty { logger.notice("ready again") }
    }

    /// Tries a part. It has a task of its own, and is not waited for any more when the service is shut down: a part that
    /// hangs must not keep the node from ending.
    private func failure(of check: Check) async -> CloudletError? {
        let (ended, failure) = (AsyncEvent(), LockedValue<CloudletError?>(nil))
        Task(executorPreference: Self.threads) {
            do throws(CloudletError) { try await check.body() } catch { failure.value = error }
            ended.set()
        }
        await ended.wait()
        return failure.value
    }

    private static func withoutFigures(_ reason: String) -> String { reason.filter { !$0.isNumber } }
}
