// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Synchronization

/// An event that happens once. Any number of tasks can wait for it.
package final class AsyncEvent: Sendable {
    private struct State {
        var isSet = false
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    /// An event that has not happened.
    package init() {}

    /// Whether the event has happened.
    package var isSet: Bool { state.withLock(\.isSet) }

    /// Records that the event has happened. All tasks that wait now or later continue.
    package func set() {
        let waiting = state.withLock { state in
            state.isSet = true
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits until the event has happened or the task is cancelled.
    package func wait() async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state in
                    if state.isSet || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    /// Waits until the event has happened, the deadline has passed, or the task is cancelled.
    package func wait(until deadline: ContinuousClock.Instant?) async {
        guard let deadline else { return await wait() }
        _ = try? await withDeadline(deadline - .now) { () async throws(CloudletError) in await self.wait() }
    }
}
