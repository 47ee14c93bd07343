// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSession
import CloudletSystem
import Synchronization

/// Decides which syntheses may run: by the available memory and disk space of the host, by a maximum, and by a quota
/// for each client. A session without room waits in a queue.
package final class Admission: Sendable {
    let state = Mutex(AdmissionState())
    let policy: @Sendable () -> Policy
    private let figures: @Sendable () -> Figures
    private let reclaimable: ReclaimableMemory
    /// How often the host's figures are read while a session waits. This is a poll because the system has no event for
    /// memory or disk space that other programs have freed.
    private static let sampling = Duration.milliseconds(250)
    /// How long figures that were read for one session can be used for others.
    private static let freshness = Duration.milliseconds(50)

    /// Creates an admission. Policy and figures are read each time they are needed.
    /// - Parameters:
    ///   - policy: the limits.
    ///   - reclaimable: memory that can be freed if that makes room for the next session.
    ///   - figures: the resources of the host.
    package init(
        policy: @escaping @Sendable () -> Policy, reclaimable: ReclaimableMemory = .none,
        figures: @escaping @Sendable () -> Figures
    ) {
        self.policy = policy
        self.reclaimable = reclaimable
        self.figures = figures
    }

    /// The number of waiting sessions.
    package var waiting: Int { state.withLock(\.queue.count) }

    /// Waits for room.
    ///
    /// Later sessions that fit may pass a waiting one: for the first half of its time all of them, then only those that
    /// leave the resources that it waits for. So no session is held up by one that may never be admitted, and none is
    /// passed forever.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - need: the resources that the synthesis needs.
    ///   - progress: receives the position in the queue when it changes; 1 is the next.
    /// - Returns: the reservation of the resources.
    /// - Throws: `CloudletError.busy` when the quota or the queue is full, no room became free in time, or there would
    ///   be none even if all VMs ended; `CloudletError.unavailable` when this host can never have enough.
    package func enter(
        client: String, need: Need, progress: (Int) -> Void
    ) async throws(CloudletError) -> Reservation {
        let policy = policy()
        var need = need
        let host = look(isNew: true)
        if host.diskIsMemory { need.memory = need.memory.addedOrMost(need.disk) }
        try Self.requirePossible(need, policy, host)
        let clock = ContinuousClock()
        let end = clock.now + policy.queueTimeout
        let ticket = try line(up: client, need, policy)
        var lastReported: Int?
        var isFirst = true
        while true {
            switch take(ticket, policy, look(isNew: isFirst)) {
            case .granted(let reservation): return reservation
            case .waits(let position, let lack, let isHopeful, let changed):
                guard clock.now < end, isHopeful else {
                    leave(ticket)
                    throw CloudletError(
                        .busy, "the node is full: \(lack)\(isHopeful ? "; waited \(policy.queueTimeout.shown)" : "")",
                        advice: "try again later, or use another node")
                }
                if lastReported != position { progress(position) }
                lastReported = position
                await changed.wait(until: min(end, clock.now + Self.sampling))
            }
            isFirst = false
            if Task.isCancelled {
                leave(ticket)
                throw CloudletError(.interrupted, "interrupted")
            }
        }
    }

    /// Throws an error if the need exceeds what the host would have without any other VM.
    private static func requirePossible(
        _ need: Need, _ policy: Policy, _ host: Figures
    ) throws(CloudletError) {
        func require(_ what: String, _ wanted: Int, _ most: Int, _ kind: String) throws(CloudletError) {
            guard wanted > most else { return }
            throw CloudletError(
                .unavailable,
                "the \(what) needs \(ByteCount(wanted)) of \(kind), this node has \(ByteCount(max(0, most))) for VMs",
                advice: "use another node")
        }
        try require("VM", need.memory, host.memory - policy.memoryReserve, "memory")
        try require("overlay", need.disk, host.disk - policy.diskReserve, "disk space")
    }

    /// The host's figures. Unless `isNew`, figures that were just read for another session are used.
    func look(isNew: Bool) -> Figures {
        let now = ContinuousClock().now
        if !isNew, let seen = state.withLock(\.seen), now - seen.time < Self.freshness { return seen.figures }
        let changes = state.withLock(\.changes)
        let figures = figures()
        // If a reservation changed meanwhile, the figures may not include that, so don't keep them.
        state.withLock { if $0.changes == changes { $0.seen = (now, figures) } }
        return figures
    }

    /// Reserves the memory of a VM that already runs.
    package func adopt(client: String, memory: Int) -> Reservation {
        let ticket = state.withLock { state in
            state.next += 1
            state.held[state.next] = .init(client: client, need: Need(memory: memory, disk: 0), fills: false)
            return state.next
        }
        return Reservation { self.change { $0.end(ticket) } }
    }

    private func line(up client: String, _ need: Need, _ policy: Policy) throws(CloudletError) -> Int {
        try state.withLock { (state) throws(CloudletError) in
            try state.requireQuota(client, policy)
            guard state.queue.count < policy.queue else {
                throw CloudletError(
                    .busy, "the node is full, and \(state.queue.count) sessions wait already",
                    advice: "try again later, or use another node")
            }
            state.next += 1
            let now = ContinuousClock().now
            state.queue.append(
                .init(
                    ticket: state.next, client: client, need: need, insistsFrom: now + policy.queueTimeout / 2,
                    end: now + policy.queueTimeout))
            return state.next
        }
    }

    private enum Verdict {
        case granted(Reservation)
        /// `isHopeful` means that there would be room if other sessions ended. `changed` is set when the decision may
        /// have changed.
        case waits(position: Int, lack: String, isHopeful: Bool, changed: AsyncEvent)
    }

    private func take(_ ticket: Int, _ policy: Policy, _ host: Figures) -> Verdict {
        let spare = reclaimable.bytes()
        let changed = AsyncEvent()
        let (verdict, wanted, passed) = state.withLock { state -> (Verdict, Int, [AsyncEvent]) in
            guard let index = state.queue.firstIndex(where: { $0.ticket == ticket }) else {
                return (.waits(position: 1, lack: "it left the queue", isHopeful: false, changed: changed), 0, [])
            }
            let entry = state.queue[index]
            guard let shortage = state.shortage(at: index, policy, host, ContinuousClock().now) else {
                state.queue.remove(at: index)
                state.begin(ticket, .init(client: entry.client, need: entry.need))
                return (.granted(reservation(ticket)), 0, state.queue.compactMap(\.changed))
            }
            // Memory is reclaimed only if nothing else is missing, and if it is enough.
            let helps = shortage.missingMemory > 0 && shortage.missingMemory <= spare
            state.queue[index].isRelieved = helps
            state.queue[index].changed = changed
            let isHopeful = helps || state.isHopeful(entry.need, policy, host, sparing: spare)
            return (
                .waits(position: index + 1, lack: shortage.reason, isHopeful: isHopeful, changed: changed),
                helps ? shortage.missingMemory : 0, []
            )
        }
        if wanted > 0 { reclaimable.reclaim(wanted) }
        for event in passed { event.set() }
        return verdict
    }

    private func reservation(_ ticket: Int) -> Reservation {
        Reservation {
            self.change { $0.end(ticket) }
        } settled: {
            self.change { $0.settle(ticket) }
        }
    }

    private func leave(_ ticket: Int) { change { $0.queue.removeAll { $0.ticket == ticket } } }

    /// Changes what is reserved or waits, and makes the waiting sessions check again.
    func change(_ body: (inout AdmissionState) -> Void) {
        let waiting = state.withLock { state in
            body(&state)
            return state.queue.compactMap(\.changed)
        }
        for event in waiting { event.set() }
    }
}
