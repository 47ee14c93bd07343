package import CloudletCore
package import CloudletSession
import CloudletSystem
import Synchronization

/// Decides which syntheses may run: by the guest memory and the disk space the host really has, by a maximum, and by a
/// quota for each client. Who finds no room waits in the order of arrival.
package final class Admission: Sendable {
    /// The bounds.
    package struct Policy: Sendable, Hashable {
        /// VMs at the same time; 0 for as many as memory allows.
        package var machines = 0
        /// Sessions that one client address may have, waiting ones included.
        package var perClient = 8
        /// Sessions that may wait.
        package var queue = 64
        /// How long a session waits.
        package var patience = Duration.seconds(60)
        /// Bytes of memory left to the host.
        package var memoryReserve = 512 << 20
        /// Bytes of disk space left to the host.
        package var diskReserve = 256 << 20

        /// The default bounds.
        package init() {}
    }

    /// What the host has, in bytes.
    package struct Figures: Sendable {
        /// Memory in all.
        package var memory: Int
        /// Memory that could be used now.
        package var freeMemory: Int
        /// Space on the disk that holds scratch files.
        package var freeDisk: Int
        /// All space of that disk.
        package var disk: Int
        /// Space there that the end of all VMs would give back.
        package var disposableDisk: Int
        /// Whether that disk is memory (tmpfs).
        package var diskIsMemory: Bool

        /// Gives the figures; of the disk's, those that are left out say that it is large and holds nothing of VMs.
        package init(
            memory: Int, freeMemory: Int, freeDisk: Int, disk: Int = .max >> 1, disposableDisk: Int = 0,
            diskIsMemory: Bool = false
        ) {
            self.memory = memory
            self.freeMemory = freeMemory
            self.freeDisk = freeDisk
            self.disk = disk
            self.disposableDisk = disposableDisk
            self.diskIsMemory = diskIsMemory
        }
    }

    /// Memory that can be done without.
    package struct Relief: Sendable {
        /// So many bytes could be given back, or are on their way already.
        let memory: @Sendable () -> Int
        /// Begins to give back at least so many bytes.
        let giveWay: @Sendable (Int) -> Void

        /// Memory of some kind.
        package init(memory: @escaping @Sendable () -> Int, giveWay: @escaping @Sendable (Int) -> Void) {
            self.memory = memory
            self.giveWay = giveWay
        }

        /// There is none.
        package static let none = Relief(memory: { 0 }, giveWay: { _ in })
    }

    /// What a synthesis takes, in bytes.
    package struct Need: Sendable, Hashable {
        /// Memory of the guest and what its emulator takes beside it.
        package var memory: Int
        /// Disk space of what the overlay brings.
        package var disk: Int

        /// Names a need.
        package init(memory: Int, disk: Int) {
            self.memory = memory
            self.disk = disk
        }
    }

    private let state = Mutex(AdmissionState())
    private let policy: @Sendable () -> Policy
    private let figures: @Sendable () -> Figures
    private let relief: Relief
    private static let interval = Duration.milliseconds(100)
    private static let fetchesAtOnce = 16

    /// Decides by these bounds and figures; both are asked anew each time.
    /// - Parameters:
    ///   - policy: the bounds.
    ///   - relief: memory that is asked for where it makes room for the next in line.
    ///   - figures: what the host has.
    package init(
        policy: @escaping @Sendable () -> Policy, relief: Relief = .none, figures: @escaping @Sendable () -> Figures
    ) {
        self.policy = policy
        self.relief = relief
        self.figures = figures
    }

    /// How many sessions wait.
    package var waiting: Int { state.withLock(\.queue.count) }

    /// Waits for room.
    ///
    /// Who waits is passed by those behind it that fit, for the first half of its patience by all, then by those only that
    /// leave what it waits for: nobody is kept by one who may never get in, and nobody is passed for ever.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - need: what the synthesis takes.
    ///   - progress: is told the place in the queue when it changes.
    /// - Returns: the place.
    /// - Throws: `CloudletError.busy` when the quota or the queue is full, no room came in time, or none would come if all
    ///   VMs ended; `CloudletError.unavailable` when this host can never have room.
    package func enter(
        client: String, need: Need, progress: (Int) -> Void
    ) async throws(CloudletError) -> SynthesisPlace {
        let policy = policy()
        var need = need
        let host = look(isNew: true)
        if host.diskIsMemory { need.memory = need.memory.addedOrMost(need.disk) }
        try Self.requirePossible(need, policy, host)
        let clock = ContinuousClock()
        let end = clock.now + policy.patience
        let ticket = try line(up: client, need, policy)
        var told: Int?
        var isFirst = true
        while true {
            switch take(ticket, policy, look(isNew: isFirst)) {
            case .granted(let place): return place
            case .waits(let place, let lack, let isHopeful):
                guard clock.now < end, isHopeful else {
                    leave(ticket)
                    throw CloudletError(
                        .busy, "the node is full: \(lack)\(isHopeful ? "; waited \(policy.patience.shown)" : "")",
                        advice: "try again later, or use another node")
                }
                if told != place { progress(place) }
                told = place
            }
            isFirst = false
            do { try await Task.sleep(for: Self.interval) } catch {
                leave(ticket)
                throw CloudletError(.interrupted, "interrupted")
            }
        }
    }

    /// Refuses what a host with nothing else to do would have no room for.
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

    /// The host's figures; those that another one who waits has just asked for are as good.
    private func look(isNew: Bool) -> Figures {
        let now = ContinuousClock().now
        if !isNew, let seen = state.withLock(\.seen), now - seen.time < Self.interval / 2 { return seen.figures }
        let changes = state.withLock(\.changes)
        let figures = figures()
        // What was given back or taken meanwhile may not show in them.
        state.withLock { if $0.changes == changes { $0.seen = (now, figures) } }
        return figures
    }

    /// Counts a VM that runs already.
    package func adopt(client: String, memory: Int) -> SynthesisPlace {
        let ticket = state.withLock { state in
            state.next += 1
            state.held[state.next] = .init(client: client, need: Need(memory: memory, disk: 0), fills: false)
            return state.next
        }
        return SynthesisPlace { self.state.withLock { $0.end(ticket) } }
    }

    /// Lets a client's package be fetched. It counts as a session of the client's until the place is given back.
    /// - Returns: the place; `makeRoom` is asked before bytes are written.
    /// - Throws: `CloudletError.busy` when the quota is used up, or too much is being fetched already.
    func beginFetch(client: String) throws(CloudletError) -> FetchPlace {
        let policy = policy()
        let ticket = try state.withLock { (state) throws(CloudletError) in
            try state.requireQuota(client, policy)
            guard state.fetches.count < Self.fetchesAtOnce else {
                throw CloudletError(
                    .busy, "the node fetches \(state.fetches.count) overlays already", advice: "try again later")
            }
            state.next += 1
            state.fetches[state.next] = .init(client: client)
            return state.next
        }
        return FetchPlace(
            place: SynthesisPlace { self.state.withLock { _ = $0.fetches.removeValue(forKey: ticket) } }
        ) { (bytes) throws(CloudletError) in try self.makeRoom(for: bytes, ticket) }
    }

    /// Counts bytes that a fetch is about to write in place of those that it wrote before.
    private func makeRoom(for bytes: Int, _ ticket: Int) throws(CloudletError) {
        let (policy, figures) = (policy(), look(isNew: true))
        try state.withLock { (state) throws(CloudletError) in
            state.fetches[ticket]?.writing = 0
            let room = state.room(policy, figures).disk
            guard bytes <= room else {
                throw CloudletError(
                    .busy, "the overlay exceeds the disk space that is left", advice: "try again later")
            }
            state.fetches[ticket]?.writing = bytes
        }
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
                    ticket: state.next, client: client, need: need, insistsFrom: now + policy.patience / 2,
                    end: now + policy.patience))
            return state.next
        }
    }

    private enum Verdict {
        case granted(SynthesisPlace)
        /// `isHopeful`: room would come if others ended.
        case waits(place: Int, lack: String, isHopeful: Bool)
    }

    private func take(_ ticket: Int, _ policy: Policy, _ host: Figures) -> Verdict {
        let spare = relief.memory()
        let (verdict, wanted) = state.withLock { state -> (Verdict, Int) in
            guard let position = state.queue.firstIndex(where: { $0.ticket == ticket }) else {
                return (.waits(place: 1, lack: "it left the queue", isHopeful: false), 0)
            }
            let entry = state.queue[position]
            let turn = state.turn(of: position, policy, host, ContinuousClock().now)
            guard let lack = turn.lack else {
                state.queue.remove(at: position)
                state.begin(ticket, .init(client: entry.client, need: entry.need))
                return (.granted(place(ticket)), 0)
            }
            // Others' memory is given up only where it is all that is missing, and enough.
            let helps = turn.missingMemory > 0 && turn.missingMemory <= spare
            state.queue[position].isRelieved = helps
            let isHopeful = helps || state.isHopeful(entry.need, policy, host, sparing: spare)
            return (
                .waits(place: position + 1, lack: lack, isHopeful: isHopeful), helps ? turn.missingMemory : 0
            )
        }
        if wanted > 0 { relief.giveWay(wanted) }
        return verdict
    }

    private func place(_ ticket: Int) -> SynthesisPlace {
        SynthesisPlace {
            self.state.withLock { $0.end(ticket) }
        } settled: {
            self.state.withLock { $0.settle(ticket) }
        }
    }

    private func leave(_ ticket: Int) { state.withLock { $0.queue.removeAll { $0.ticket == ticket } } }
}

/// What a fetch was admitted with.
struct FetchPlace: Sendable {
    /// Counts the fetch among the client's sessions until it is given back.
    let place: SynthesisPlace
    /// Is asked before so many bytes are written.
    let makeRoom: @Sendable (Int) throws(CloudletError) -> Void
}
