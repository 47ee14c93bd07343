import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Logging
import ServiceLifecycle
import Synchronization

/// Keeps VMs ready that wait for overlays of the base VMs used last, so that a synthesis neither copies the base's memory
/// nor starts an emulator. They are made when nothing else is to be done, from memory that nobody needs, and give way
/// when sessions need it.
final class Standby: Service {
    /// The bounds, asked anew each time.
    struct Policy: Sendable, Hashable {
        /// VMs that are kept ready.
        var machines = 1
        /// Bytes of memory left to the host.
        var memoryReserve = 512 << 20
    }

    private struct State {
        var ready: [PreparedVM] = []
        /// Hashes of bases, the one used last first.
        var recent: [SHA256Digest] = []
        var syntheses = 0
        /// When the last of them ended.
        var lastEnd: ContinuousClock.Instant?
        var isPressed = false
        /// VMs that are being ended.
        var leaving = 0
    }

    private let registry: Registry
    private let synthesizer: Synthesizer
    private let options: Synthesizer.Options
    private let policy: @Sendable () -> Policy
    private let freeMemory: @Sendable () -> Int
    private let logger: Logger
    private let state = Mutex(State())
    private let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    /// How often the registry and the memory are looked at when nothing happens.
    private static let interval = Duration.seconds(5)
    private static let rest = Duration.seconds(2)

    init(
        registry: Registry, synthesizer: Synthesizer, options: Synthesizer.Options,
        policy: @escaping @Sendable () -> Policy, freeMemory: @escaping @Sendable () -> Int, logger: Logger
    ) {
        self.registry = registry
        self.synthesizer = synthesizer
        self.options = options
        self.policy = policy
        self.freeMemory = freeMemory
        self.logger = logger
    }

    /// How many VMs are ready.
    var count: Int { state.withLock(\.ready.count) }

    /// Runs a synthesis on `base` with a VM that is ready for it, if there is one; none is made meanwhile.
    func withReady<Value>(
        for base: OpenBase, _ body: (PreparedVM?) async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let found = state.withLock { state in
            state.syntheses += 1
            state.recent = [base.record.hash] + state.recent.filter { $0 != base.record.hash }.prefix(63)
            return state.ready.firstIndex { $0.base.record == base.record }.map { state.ready.remove(at: $0) }
        }
        defer {
            state.withLock { state in
                state.syntheses -= 1
                state.lastEnd = ContinuousClock().now
            }
            waker.yield()
        }
        guard let found else { return try await body(nil) }
        guard await found.isWaiting else {
            await discard(found, "its emulator has ended")
            return try await body(nil)
        }
        return try await body(found)
    }

    /// Gives the memory of all VMs back, because sessions need it.
    /// - Returns: whether there is some that is not given back yet.
    func giveWay() -> Bool {
        let (isHolding, isNew) = state.withLock { state in
            defer { state.isPressed = !state.ready.isEmpty }
            return (!state.ready.isEmpty || state.leaving > 0, !state.ready.isEmpty && !state.isPressed)
        }
        if isNew { waker.yield() }
        return isHolding
    }

    func run() async throws {
        let beats = Ticks(every: Self.interval)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { for await _ in beats { self.waker.yield() } }
                for await _ in self.wakes {
                    guard let rest = await self.tend() else { continue }
                    group.addTask {
                        try? await Task.sleep(for: rest)
                        self.waker.yield()
                    }
                }
                group.cancelAll()
            }
        }
        for machine in state.withLock({ Array($0.ready) }) { await discard(machine, "the node stops") }
    }

    /// Ends what is of no use any more and makes what is missing.
    /// - Returns: after what time to look again.
    private func tend() async -> Duration? {
        let wanted = wantedBases()
        for (machine, reason) in await superfluous(wanted) {
            let isOurs = state.withLock { state in
                let place = state.ready.firstIndex { $0 === machine }
                if let place { state.ready.remove(at: place) }
                return place != nil
            }
            // A synthesis may have taken it meanwhile.
            guard isOurs else { continue }
            await discard(machine, reason)
        }
        for base in missing(wanted) {
            if let rest = restLeft { return rest }
            guard !Task.isCancelled, hasRoom(for: base) else { return nil }
            do throws(CloudletError) {
                let machine = try await synthesizer.prepare(base, options)
                state.withLock { $0.ready.append(machine) }
                logger.info(
                    "VM stands by", metadata: ["vm": "\(machine.name)", "base": "\(base.record.hash.short)"])
            } catch {
                logger.warning(
                    "a VM can't be kept ready",
                    metadata: ["base": "\(base.record.hash.short)", "reason": "\(error.description)"])
                return nil
            }
        }
        return nil
    }

    /// What is left of the time in which a VM that was just resumed has the processors for itself.
    private var restLeft: Duration? {
        guard let lastEnd = state.withLock(\.lastEnd) else { return nil }
        let rest = Self.rest - (ContinuousClock().now - lastEnd)
        return rest > .zero ? rest : nil
    }

    /// The base of each VM to be kept ready: one for each base in the order of their use, then another round.
    private func wantedBases() -> [OpenBase] {
        let (recent, isPressed) = state.withLock { state in
            defer { state.isPressed = false }
            return (state.recent, state.isPressed)
        }
        guard !isPressed, let records = try? registry.bases(), !records.isEmpty else { return [] }
        let bases =
            records.sorted { left, right in
                let places = (recent.firstIndex(of: left.hash) ?? .max, recent.firstIndex(of: right.hash) ?? .max)
                return places.0 == places.1 ? left.created > right.created : places.0 < places.1
            }.compactMap { try? OpenBase($0) }
        guard !bases.isEmpty else { return [] }
        return (0..<policy().machines).map { bases[$0 % bases.count] }
    }

    private func superfluous(_ wanted: [OpenBase]) async -> [(PreparedVM, String)] {
        var wanted = wanted.map(\.record)
        var found: [(PreparedVM, String)] = []
        let isShort = freeMemory() < policy().memoryReserve
        for machine in state.withLock({ Array($0.ready) }) {
            if !(await machine.isWaiting) {
                found.append((machine, "its emulator has ended"))
            } else if isShort {
                found.append((machine, "memory is short"))
            } else if let place = wanted.firstIndex(of: machine.base.record) {
                wanted.remove(at: place)
            } else {
                found.append((machine, "others need the place or the memory"))
            }
        }
        return found
    }

    /// The bases for which VMs are missing; none while there is other work.
    private func missing(_ wanted: [OpenBase]) -> [OpenBase] {
        state.withLock { state in
            guard state.syntheses == 0 else { return [] }
            var ready = state.ready.map(\.base.record)
            return wanted.filter { base in
                guard let place = ready.firstIndex(of: base.record) else { return true }
                ready.remove(at: place)
                return false
            }
        }
    }

    /// Whether there is memory for a VM on `base` and for another one beside it.
    private func hasRoom(for base: OpenBase) -> Bool {
        guard state.withLock({ $0.syntheses == 0 }) else { return false }
        let need = base.machine.memoryBytes + NodeBackend.emulatorMemory
        return freeMemory() - 2 * need >= policy().memoryReserve
    }

    private func discard(_ machine: PreparedVM, _ reason: String) async {
        state.withLock { $0.leaving += 1 }
        defer { state.withLock { $0.leaving -= 1 } }
        logger.info("VM stands by no more", metadata: ["vm": "\(machine.name)", "reason": "\(reason)"])
        do { try await machine.discard() } catch {
            logger.error("a VM could not be ended", metadata: ["vm": "\(machine.name)", "reason": "\(error)"])
        }
    }
}
