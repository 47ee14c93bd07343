// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
package import Logging
import ServiceLifecycle
import Synchronization

/// Repeatedly checks whether the parts of the node work.
///
/// Only one round of checks runs at a time, so that a part that hangs blocks only one call, however often the health is
/// queried. The answer is the result of the last round; a round that does not end is reported too.
package final class Health: Service {
    /// The check of one part.
    package struct Check: Sendable {
        let name: String
        let body: @Sendable () async throws(CloudletError) -> [String]

        /// Creates a check.
        /// - Parameters:
        ///   - name: what is checked, for people.
        ///   - body: checks the part, and throws an error if it does not work.
        init(_ name: String, _ body: @escaping @Sendable () async throws(CloudletError) -> Void) {
            self.init(name: name) { () async throws(CloudletError) -> [String] in
                try await body()
                return []
            }
        }

        /// Creates a check that can also find faults with which the node can still accept sessions.
        /// - Parameters:
        ///   - name: what is checked, for people.
        ///   - body: checks the part. Returns the faults, and throws an error if the part does not work.
        /// - Returns: the check.
        static func withWarnings(
            _ name: String, _ body: @escaping @Sendable () async throws(CloudletError) -> [String]
        ) -> Check { Check(name: name, body: body) }

        private init(name: String, body: @escaping @Sendable () async throws(CloudletError) -> [String]) {
            (self.name, self.body) = (name, body)
        }
    }

    private struct State {
        var reasons: [String]?
        var warnings: [String] = []
        var roundStart = ContinuousClock().now
        var current = "the first check"
        var isStopping = false
    }

    /// Separate threads, so that the checks don't wait for other work.
    static let threads = WorkerPool(width: 2, label: "cloudlet-watch")

    private let checks: [Check]
    private let interval: Duration
    private let timeout: Duration
    private let logger: Logger
    private let state = Mutex(State())
    /// Set when all parts have been checked once.
    let firstRound = AsyncEvent()

    /// Creates a monitor of these parts.
    /// - Parameters:
    ///   - checks: the checks that must succeed.
    ///   - interval: the pause between two rounds.
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

    /// Why the node can't accept sessions now; empty if it can.
    package var reasons: [String] {
        state.withLock { state in
            if state.isStopping { return ["the node is stopping"] }
            if let hanging = Self.hanging(state, timeout) { return [hanging] }
            return state.reasons ?? ["the node is starting"]
        }
    }

    /// The faults with which the node can still accept sessions.
    package var warnings: [String] { state.withLock(\.warnings) }

    /// Whether rounds of checks come to an end, whatever their results.
    package var isAlive: Bool {
        state.withLock { $0.isStopping || Self.hanging($0, timeout) == nil }
    }

    private static func hanging(_ state: State, _ timeout: Duration) -> String? {
        let age = ContinuousClock().now - state.roundStart
        return age > timeout ? "\(state.current): no answer for \(age.seconds.rounded()) s" : nil
    }

    /// Checks the parts until the service is shut down.
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
        var (reasons, warnings) = ([String](), [String]())
        for check in checks {
            state.withLock { $0.current = check.name }
            switch await result(of: check) {
            case .success(let found)?: warnings += found.map { "\(check.name): \($0)" }
            case .failure(let failure)?: reasons.append("\(check.name): \(failure)")
            case nil: break
            }
            if Task.isCancelled { return }
        }
        let before = state.withLock { [warnings] state in
            defer {
                state.reasons = reasons
                state.warnings = warnings
                state.roundStart = ContinuousClock().now
            }
            return state.reasons ?? []
        }
        firstRound.set()
        // Numbers in a reason may change with each round, so reasons that differ only in numbers count as the same.
        let known = Set(before.map(Self.withoutFigures))
        for reason in reasons where !known.contains(Self.withoutFigures(reason)) {
            logger.error("not ready", metadata: ["reason": "\(reason)"])
        }
        if reasons.isEmpty, !before.isEmpty { logger.notice("ready again") }
    }

    /// Checks a part in a task of its own. The task is abandoned when the service is shut down, so that a part that
    /// hangs does not keep the node from stopping.
    /// - Returns: `nil` if the check was abandoned.
    private func result(of check: Check) async -> Result<[String], CloudletError>? {
        let (ended, result) = (AsyncEvent(), LockedValue<Result<[String], CloudletError>?>(nil))
        Task(executorPreference: Self.threads) {
            do throws(CloudletError) { result.value = .success(try await check.body()) } catch {
                result.value = .failure(error)
            }
            ended.set()
        }
        await ended.wait()
        return result.value
    }

    private static func withoutFigures(_ reason: String) -> String { reason.filter { !$0.isNumber } }
}
