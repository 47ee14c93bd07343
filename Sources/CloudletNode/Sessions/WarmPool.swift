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
final class WarmPool: Service {
    /// The bounds, asked anew each time.
    struct Policy: Sendable, Hashable {
        /// VMs that are kept ready.
        var machines = 1
        /// Bytes of memory left to the host.
        var memoryReserve = 512 << 20
    }

    private struct State {
        var ready: [WarmVM] = []
        /// Hashes of bases, the one used last first.
        var recent: [SHA256Digest] = []
        var syntheses = 0
        /// When the last of them ended.
        var lastEnd: ContinuousClock.Instant?
        /// Bytes of memory that sessions need.
        var pressure = 0
        /// Bytes of memory of VMs that are being ended.
        var leaving = 0
        var resting = RestingBases()
    }

    private let registry: NodeRegistry
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
        registry: NodeRegistry, synthesizer: Synthesizer, options: Synthesizer.Options,
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
        for base: OpenBase, _ body: (WarmVM?) async throws(CloudletError) -> Value
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

    /// Bytes of memory that VMs hold that are ready or are being ended.
    var memory: Int {
        let (ready, leaving) = state.withLock { ($0.ready, $0.leaving) }
        return ready.reduce(leaving) { $0 + Self.memory(of: $1) }
    }

    /// Ends as many VMs, those least likely to be used first, as give back so many bytes of memory, because sessions need
    /// them.
    func giveWay(_ bytes: Int) {
        let isNew = state.withLock { state in
            guard !state.ready.isEmpty, bytes > state.leaving, state.pressure < bytes else { return false }
            state.pressure = bytes
            return true
        }
        if isNew { waker.yield() }
    }

    private static func memory(of machine: WarmVM) -> Int { machine.memoryBytes + idleEmulatorMemory }

    /// What an emulator takes at least that has not run yet (measured).
    private static let idleEmulatorMemory = 40 << 20

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

    /// VMs to be ended for sessions, those of the bases used longest ago first.
    private func pressed() -> [WarmVM] {
        let (ready, recent, pressure) = state.withLock { state in
            defer { state.pressure = 0 }
            return (state.ready, state.recent, state.pressure - state.leaving)
        }
        func age(_ machine: WarmVM) -> Int { recent.firstIndex(of: machine.base.record.hash) ?? .max }
        var given = 0
        return ready.sorted { age($0) > age($1) }.prefix { machine in
            defer { given += Self.memory(of: machine) }
            return given < pressure
        }
    }

    /// Ends what is of no use any more and makes what is missing.
    /// - Returns: after what time to look again.
    private func tend() async -> Duration? {
        let pressed = pressed()
        guard pressed.isEmpty else {
            for machine in pressed { await dismiss(machine, "others need the memory") }
            return nil
        }
        let wanted = await wantedBases()
        for (machine, reason) in await superfluous(wanted) { await dismiss(machine, reason) }
        for base in missing(wanted) {
            if let rest = restLeft { return rest }
            guard !Task.isCancelled, hasRoom(for: base) else { return nil }
            do throws(CloudletError) {
                let machine = try await synthesizer.prepare(base, options)
                state.withLock { state in
                    state.ready.append(machine)
                    state.resting.succeeded(base.record)
                }
                logger.info(
                    "VM stands by", metadata: ["vm": "\(machine.name)", "base": "\(base.record.hash.short)"])
            } catch {
                rest(base.record, error)
            }
        }
        return nil
    }

    /// Lets a base alone for a while with which something is wrong; others get their VMs.
    private func rest(_ base: BaseVM, _ error: CloudletError) {
        let isNew = state.withLock { $0.resting.failed(base, error, at: .now) }
        guard isNew else { return }
        logger.warning(
            "a VM can't be kept ready",
            metadata: ["base": "\(base.hash.short)", "reason": "\(error.description)"])
    }

    /// What is left of the time in which a VM that was just resumed has the processors for itself.
    private var restLeft: Duration? {
        guard let lastEnd = state.withLock(\.lastEnd) else { return nil }
        let rest = Self.rest - (ContinuousClock().now - lastEnd)
        return rest > .zero ? rest : nil
    }

    /// The base of each VM to be kept ready: one for each base in the order of their use, then another round.
    private func wantedBases() async -> [OpenBase] {
        let recent = state.withLock(\.recent)
        guard let records = try? await registry.bases(), !records.isEmpty else { return [] }
        state.withLock { $0.resting.keep(records) }
        let ordered = records.sorted { left, right in
            let places = (recent.firstIndex(of: left.hash) ?? .max, recent.firstIndex(of: right.hash) ?? .max)
            return places.0 == places.1 ? left.created > right.created : places.0 < places.1
        }
        var bases: [OpenBase] = []
        for record in ordered where state.withLock({ $0.resting.mayTry(record, at: .now) }) {
            do throws(CloudletError) { bases.append(try await OpenBase.open(record, in: registry)) } catch {
                rest(record, error)
            }
        }
        guard !bases.isEmpty else { return [] }
        return (0..<policy().machines).map { bases[$0 % bases.count] }
    }

    private func superfluous(_ wanted: [OpenBase]) async -> [(WarmVM, String)] {
        var wanted = wanted.map(\.record)
        var found: [(WarmVM, String)] = []
        let isShort = freeMemory() < policy().memoryReserve
        for machine in state.withLock({ Array($0.ready) }) {
            if !(await machine.isWaiting) {
                found.append((machine, "its emulator has ended"))
            } else if isShort {
                found.append((machine, "memory is short"))
            } else if let place = wanted.firstIndex(of: machine.base.record) {
                wanted.remove(at: place)
            } else {
                found.append((machine, "others need the place"))
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
        let need = base.machine.hostBytes
        return freeMemory() - 2 * need >= policy().memoryReserve
    }

    /// Ends a VM that is ready, unless a synthesis has taken it meanwhile.
    private func dismiss(_ machine: WarmVM, _ reason: String) async {
        let bytes = Self.memory(of: machine)
        let isOurs = state.withLock { state in
            guard let place = state.ready.firstIndex(where: { $0 === machine }) else { return false }
            state.ready.remove(at: place)
            state.leaving += bytes
            return true
        }
        guard isOurs else { return }
        await discard(machine, reason)
        state.withLock { $0.leaving -= bytes }
    }

    private func discard(_ machine: WarmVM, _ reason: String) async {
        logger.info("VM stands by no more", metadata: ["vm": "\(machine.name)", "reason": "\(reason)"])
        do { try await machine.discard() } catch {
            logger.error("a VM could not be ended", metadata: ["vm": "\(machine.name)", "reason": "\(error)"])
        }
    }
}
