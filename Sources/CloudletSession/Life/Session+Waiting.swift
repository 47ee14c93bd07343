// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization

// MARK: - Waiting for a session's milestones

extension Session {
    /// Waits until the session has reached a milestone, or the task is cancelled.
    func wait(for milestone: SessionState.Milestone) async { await events[milestone]?.wait() }

    /// Waits for room on the node.
    /// - Returns: `false` if the session will not get room, or the task is cancelled.
    func waitForAdmission() async -> Bool {
        await wait(for: .decided)
        return guarded.withLock { guarded in
            guard guarded.state.hasReached(.decided) else { return false }
            if case .failed? = guarded.state.outcome { return false }
            return true
        }
    }

    /// Waits for the outcome of the synthesis; `nil` when the task is cancelled.
    func outcome() async -> SessionState.Outcome? {
        await wait(for: .settled)
        return guarded.withLock(\.state.outcome)
    }

    /// Waits until the end of the session is requested or the task is cancelled. Requests the end itself when no
    /// connection comes in time.
    func waitForEndRequest(_ timeouts: @Sendable () -> SessionState.Timeouts) async {
        while !Task.isCancelled {
            let (deadline, change) = update { guarded in
                guarded.state.expire(timeouts(), at: .now)
                return (guarded.state.deadline(timeouts()), guarded.change)
            }
            guard endReason == nil else { return }
            await change.wait(until: deadline)
        }
    }

    /// Waits until another session of the same client may replace this one, the end of this one was requested, or the
    /// task is cancelled.
    func waitUntilReplaceable() async {
        while !Task.isCancelled {
            let (from, isEnding, change) = guarded.withLock {
                ($0.state.replaceableFrom, $0.state.endReason != nil, $0.change)
            }
            if isEnding { return }
            if let from, from <= .now { return }
            await change.wait(until: from)
        }
    }

    /// Makes waiting tasks compute their deadlines again, because the timeouts have changed.
    func timeoutsChanged() {
        let change = guarded.withLock { guarded in
            defer { guarded.change = AsyncEvent() }
            return guarded.change
        }
        change.set()
    }
}
