public import CloudletCore
public import CloudletSession
import CloudletSystem
import Synchronization

/// Decides which syntheses may run: by the guest memory and the disk space the host really has, by a maximum, and by a
/// quota for each client. Who finds no room waits in the order of arrival.
public final class Admission: Sendable {
    /// The bounds.
    public struct Policy: Sendable, Hashable {
        /// VMs at the same time; 0 for as many as memory allows.
        public var machines = 0
        /// Sessions that one client address may have, waiting ones included.
        public var perClient = 8
        /// Sessions that may wait.
        public var queue = 64
        /// How long a session waits.
        public var patience = Duration.seconds(60)
        /// Bytes of memory left to the host.
        public var memoryReserve = 512 << 20
        /// Bytes of disk space left to the host.
        public var diskReserve = 256 << 20

        /// The default bounds.
        public init() {}
    }

    /// What the host has, in bytes.
    public struct Figures: Sendable {
        /// Memory in all.
        public var memory: Int
        /// Memory that could be used now.
        public var freeMemory: Int
        /// Space on the disk that holds scratch files.
        public var freeDisk: Int

        /// Gives the figures.
        public init(memory: Int, freeMemory: Int, freeDisk: Int) {
            self.memory = memory
            self.freeMemory = freeMemory
            self.freeDisk = freeDisk
        }
    }

    /// What a synthesis takes, in bytes.
    public struct Need: Sendable, Hashable {
        /// Memory of the guest and what its emulator takes beside it.
        public var memory: Int
        /// Disk space of what the overlay brings.
        public var disk: Int

        /// Names a need.
        public init(memory: Int, disk: Int) {
            self.memory = memory
            self.disk = disk
        }
    }

    private struct Held {
        let client: String
        let need: Need
        var fills = true
    }

    /// A package that is being fetched.
    private struct Fetch {
        let client: String
        /// Bytes that are about to be written; what was written shows in the host's figures.
        var writing = 0
    }

    private struct State {
        var held: [Int: Held] = [:]
        var fetches: [Int: Fetch] = [:]
        var queue: [(ticket: Int, client: String)] = []
        var next = 0
    }

    private let state = Mutex(State())
    private let policy: @Sendable () -> Policy
    private let figures: @Sendable () -> Figures
    private let relief: @Sendable () -> Bool
    private static let interval = Duration.milliseconds(100)
    private static let fetchesAtOnce = 16

    /// Decides by these bounds and figures; both are asked anew each time.
    /// - Parameters:
    ///   - policy: the bounds.
    ///   - relief: is called when room is lacking, to give back memory that can be done without; says whether there is
    ///     some.
    ///   - figures: what the host has.
    public init(
        policy: @escaping @Sendable () -> Policy, relief: @escaping @Sendable () -> Bool = { false },
        figures: @escaping @Sendable () -> Figures
    ) {
        self.policy = policy
        self.relief = relief
        self.figures = figures
    }

    /// How many sessions wait.
    public var waiting: Int { state.withLock(\.queue.count) }

    /// Waits for room.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - need: what the synthesis takes.
    ///   - progress: is told the place in the queue when it changes.
    /// - Returns: the place.
    /// - Throws: `CloudletError.busy` when the quota or the queue is full, or no room came in time;
    ///   `CloudletError.unavailable` when this host can never have room.
    public func enter(
        client: String, need: Need, progress: (Int) -> Void
    ) async throws(CloudletError) -> SynthesisPlace {
        let policy = policy()
        let most = figures().memory - policy.memoryReserve
        guard need.memory <= most else {
            throw CloudletError(
                .unavailable,
                "the VM needs \(ByteCount(need.memory)) of memory, this node has \(ByteCount(max(0, most))) for VMs",
                advice: "use another node")
        }
        let ticket = try line(up: client, policy)
        let clock = ContinuousClock()
        let end = clock.now + policy.patience
        var told: Int?
        while true {
            switch take(ticket, client, need, policy) {
            case .granted(let place): return place
            case .waits(let place, let lack, let others):
                // Without others nothing is to be waited for.
                guard clock.now < end, relief() || others else {
                    leave(ticket)
                    throw CloudletError(
                        .busy, "the node is full: \(lack)\(others ? "; waited \(policy.patience.shown)" : "")",
                        advice: "try again later, or use another node")
                }
                if told != place { progress(place) }
                told = place
            }
            do { try await Task.sleep(for: Self.interval) } catch {
                leave(ticket)
                throw CloudletError(.interrupted, "interrupted")
            }
        }
    }

    /// Counts a VM that runs already.
    public func adopt(client: String, memory: Int) -> SynthesisPlace {
        let ticket = state.withLock { state in
            state.next += 1
            state.held[state.next] = Held(client: client, need: Need(memory: memory, disk: 0), fills: false)
            return state.next
        }
        return SynthesisPlace { self.state.withLock { _ = $0.held.removeValue(forKey: ticket) } }
    }

    /// Lets a client's package be fetched. It counts as a session of the client's until the place is given back.
    /// - Returns: the place; `makeRoom` is asked before bytes are written.
    /// - Throws: `CloudletError.busy` when the quota is used up, or too much is being fetched already.
    func beginFetch(client: String) throws(CloudletError) -> FetchPlace {
        let policy = policy()
        let ticket = try state.withLock { (state) throws(CloudletError) in
            try Self.requireQuota(client, state, policy)
            guard state.fetches.count < Self.fetchesAtOnce else {
                throw CloudletError(
                    .busy, "the node fetches \(state.fetches.count) overlays already", advice: "try again later")
            }
            state.next += 1
            state.fetches[state.next] = Fetch(client: client)
            return state.next
        }
        return FetchPlace(
            place: SynthesisPlace { self.state.withLock { _ = $0.fetches.removeValue(forKey: ticket) } }
        ) { (bytes) throws(CloudletError) in try self.makeRoom(for: bytes, ticket) }
    }

    /// Counts bytes that a fetch is about to write in place of those that it wrote before.
    private func makeRoom(for bytes: Int, _ ticket: Int) throws(CloudletError) {
        let (policy, figures) = (policy(), figures())
        try state.withLock { (state) throws(CloudletError) in
            state.fetches[ticket]?.writing = 0
            let room = Self.disk(state, policy, figures)
            guard bytes <= room else {
                throw CloudletError(
                    .busy, "the overlay exceeds the disk space that is left", advice: "try again later")
            }
            state.fetches[ticket]?.writing = bytes
        }
    }

    private static func requireQuota(
        _ client: String, _ state: State, _ policy: Policy
    ) throws(CloudletError) {
        let own =
            state.held.values.count { $0.client == client } + state.queue.count { $0.client == client }
            + state.fetches.values.count { $0.client == client }
        guard own < policy.perClient else {
            throw CloudletError(
                .busy, "\(client) has \(own) sessions already, more are not allowed",
                advice: "finish one of them first")
        }
    }

    private func line(up client: String, _ policy: Policy) throws(CloudletError) -> Int {
        try state.withLock { (state) throws(CloudletError) in
            try Self.requireQuota(client, state, policy)
            guard state.queue.count < policy.queue else {
                throw CloudletError(
                    .busy, "the node is full, and \(state.queue.count) sessions wait already",
                    advice: "try again later, or use another node")
            }
            state.next += 1
            state.queue.append((state.next, client))
            return state.next
        }
    }

    private enum Verdict {
        case granted(SynthesisPlace)
        case waits(place: Int, lack: String, others: Bool)
    }

    private func take(_ ticket: Int, _ client: String, _ need: Need, _ policy: Policy) -> Verdict {
        let figures = figures()
        return state.withLock { state in
            let position = state.queue.firstIndex { $0.ticket == ticket } ?? 0
            let lack = Self.lack(need, state, policy, figures)
            guard position == 0, lack == nil else {
                return .waits(
                    place: position + 1, lack: lack ?? "others wait before this one",
                    others: position > 0 || !state.held.isEmpty)
            }
            state.queue.removeFirst()
            state.held[ticket] = Held(client: client, need: need)
            return .granted(
                SynthesisPlace {
                    self.state.withLock { _ = $0.held.removeValue(forKey: ticket) }
                } settled: {
                    self.state.withLock { $0.held[ticket]?.fills = false }
                })
        }
    }

    /// What is missing, or `nil` when there is room.
    private static func lack(_ need: Need, _ state: State, _ policy: Policy, _ figures: Figures) -> String? {
        if policy.machines > 0, state.held.count >= policy.machines {
            return "\(state.held.count) VMs run, more are not allowed"
        }
        let promised = state.held.values.reduce(0) { $0 + $1.need.memory }
        // What is being filled does not show in the host's figures yet.
        let filling = state.held.values.filter(\.fills).reduce(0) { $0 + $1.need.memory }
        let memory = min(figures.memory - promised, figures.freeMemory - filling) - policy.memoryReserve
        if need.memory > memory {
            return "the VM needs \(ByteCount(need.memory)) of memory, \(ByteCount(max(0, memory))) are left"
        }
        let disk = disk(state, policy, figures)
        if need.disk > disk {
            return "the overlay needs \(ByteCount(need.disk)) of disk space, \(ByteCount(max(0, disk))) are left"
        }
        return nil
    }

    /// Disk space that is neither used nor promised.
    private static func disk(_ state: State, _ policy: Policy, _ figures: Figures) -> Int {
        let filling = state.held.values.filter(\.fills).reduce(0) { $0 + $1.need.disk }
        let writing = state.fetches.values.reduce(0) { $0 + $1.writing }
        return figures.freeDisk - filling - writing - policy.diskReserve
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
