// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Logging
import ServiceLifecycle
import Synchronization

/// Keeps warm VMs, which wait for overlays of the base VMs used last, so that a synthesis neither has to copy the
/// base's memory nor start an emulator. They are created when no synthesis runs and memory is free, and ended when
/// sessions need that memory.
final class WarmPool: Service {
    /// The limits, read each time they are needed.
    struct Policy: Sendable, Hashable {
        /// How many warm VMs are kept.
        var machines = 1
        /// Bytes of memory left to the host.
        var memoryReserve = 512 << 20
    }

    struct State {
        var warm: [WarmVM] = []
        var use = BaseUse()
        var syntheses = 0
        /// When the last synthesis ended.
        var lastEnd: ContinuousClock.Instant?
        /// Bytes of memory that sessions need.
        var wantedMemory = 0
        /// Bytes of memory of VMs that are being ended.
        var leavingMemory = 0
        var backoff = BaseBackoff()
    }

    let registry: NodeRegistry
    let support: BaseSupport
    private let unended: UnendedVMs
    let synthesizer: Synthesizer
    private let options: VMOptions
    let policy: @Sendable () -> Policy
    let freeMemory: @Sendable () -> Int
    let logger: Logger
    let state = Mutex(State())
    private let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    /// How often the registry and the host's free memory are read. This is a poll because other programs change both,
    /// and neither SQLite nor the kernel reports their changes.
    private static let interval = Duration.seconds(5)
    /// How long no warm VM is created after a synthesis, so that the resumed VM has the processors for itself.
    private static let rest = Duration.seconds(2)

    init(
        registry: NodeRegistry, support: BaseSupport, synthesizer: Synthesizer, unended: UnendedVMs, options: VMOptions,
        policy: @escaping @Sendable () -> Policy, freeMemory: @escaping @Sendable () -> Int, logger: Logger
    ) {
        self.registry = registry
        self.support = support
        self.synthesizer = synthesizer
        self.unended = unended
        self.options = options
        self.policy = policy
        self.freeMemory = freeMemory
        self.logger = logger
    }

    /// The number of warm VMs.
    var count: Int { state.withLock(\.warm.count) }

    /// Runs a synthesis for `base` with a warm VM of that base, if there is one. No warm VMs are created meanwhile.
    func withWarmVM<Value>(
        of base: OpenBase, _ body: (WarmVM?) async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let found = state.withLock { state in
            state.syntheses += 1
            state.use.note(base.record.hash)
            return state.warm.firstIndex { $0.base.record == base.record }.map { state.warm.remove(at: $0) }
        }
        defer {
            state.withLock { state in
                state.syntheses -= 1
                state.lastEnd = .now
            }
            waker.yield()
        }
        guard let found else { return try await body(nil) }
        guard await found.isWaiting else {
            await discard(found, Self.hasEnded)
            return try await body(nil)
        }
        return try await body(found)
    }

    // MARK: - Memory for sessions

    /// The memory of warm VMs, including those that are being ended, in bytes.
    var memory: Int {
        let (warm, leaving) = state.withLock { ($0.warm, $0.leavingMemory) }
        return warm.reduce(leaving) { $0 + Self.memory(of: $1) }
    }

    /// Ends enough warm VMs to free the given number of bytes, those least likely to be used first, because sessions
    /// need the memory.
    func reclaimMemory(_ bytes: Int) {
        let isNew = state.withLock { state in
            guard !state.warm.isEmpty, bytes > state.leavingMemory, state.wantedMemory < bytes else { return false }
            state.wantedMemory = bytes
            return true
        }
        if isNew { waker.yield() }
    }

    private static func memory(of machine: WarmVM) -> Int { machine.memoryBytes + idleEmulatorMemory }

    /// The least memory of an emulator that has not run yet, in bytes (measured).
    private static let idleEmulatorMemory = 40 << 20

    /// The VMs to end so that sessions get their memory.
    private func reclaimed() -> [WarmVM] {
        let (warm, use, wanted) = state.withLock { state in
            defer { state.wantedMemory = 0 }
            return (state.warm, state.use, state.wantedMemory - state.leavingMemory)
        }
        var given = 0
        return warm.sorted { use.age(of: $0.base.record) > use.age(of: $1.base.record) }.prefix { machine in
            defer { given += Self.memory(of: machine) }
            return given < wanted
        }
    }

    // MARK: - Service

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    self.waker.yield()
                    for await _ in AsyncTimerSequence(interval: Self.interval, clock: .continuous) {
                        self.waker.yield()
                    }
                }
                for await _ in self.wakes {
                    guard let rest = await self.reconcile(&group) else { continue }
                    group.addTask {
                        try? await Task.sleep(for: rest)
                        self.waker.yield()
                    }
                }
                group.cancelAll()
            }
        }
        for machine in state.withLock({ Array($0.warm) }) { await discard(machine, "the node stops") }
    }

    /// Ends warm VMs that are no longer useful, and creates missing ones.
    /// - Returns: the time after which to check again, if it has to wait.
    private func reconcile(_ group: inout DiscardingTaskGroup) async -> Duration? {
        let reclaimed = reclaimed()
        guard reclaimed.isEmpty else {
            for machine in reclaimed { await dismiss(machine, "sessions need the memory") }
            return nil
        }
        let (plan, bases) = await plan()
        for (machine, reason) in await superfluous(plan.wanted) { await dismiss(machine, reason) }
        for base in missing(plan).compactMap({ bases[$0.hash] }) {
            if let rest = restLeft { return rest }
            guard !Task.isCancelled else { return nil }
            // There may be room for a smaller one.
            guard hasRoom(for: base) else { continue }
            do throws(CloudletError) {
                let warm = try await synthesizer.makeWarmVM(base, options)
                let wasTrial = state.withLock { state in
                    defer { state.backoff.succeeded(base.record) }
                    state.warm.append(warm)
                    return state.backoff.hasFailed(base.record)
                }
                // From now on it is wanted, so another one may be superfluous.
                if wasTrial { waker.yield() }
                group.addTask { [waker, machine = warm.machine] in
                    _ = await machine.waitForEnd()
                    waker.yield()
                }
                logger.info(
                    "warm VM is ready", metadata: ["vm": "\(warm.name)", "base": "\(base.record.hash.short)"])
            } catch {
                failed(base.record, error)
            }
        }
        return nil
    }

    /// How much longer the last resumed VM has the processors for itself.
    private var restLeft: Duration? {
        guard let lastEnd = state.withLock(\.lastEnd) else { return nil }
        let rest = Self.rest - (ContinuousClock.now - lastEnd)
        return rest > .zero ? rest : nil
    }

    /// Ends a warm VM, unless a synthesis has taken it meanwhile.
    private func dismiss(_ machine: WarmVM, _ reason: String) async {
        let bytes = Self.memory(of: machine)
        let isOurs = state.withLock { state in
            guard let index = state.warm.firstIndex(where: { $0 === machine }) else { return false }
            state.warm.remove(at: index)
            state.leavingMemory += bytes
            return true
        }
        guard isOurs else { return }
        await discard(machine, reason)
        state.withLock { $0.leavingMemory -= bytes }
    }

    private func discard(_ machine: WarmVM, _ reason: String) async {
        logger.info("warm VM was ended", metadata: ["vm": "\(machine.name)", "reason": "\(reason)"])
        await unended.end(machine.name) { () async throws(CloudletError) in try await machine.discard() }
    }
}
