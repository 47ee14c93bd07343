// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Logging
import Synchronization

/// Decides which warm VMs there should be.
extension WarmPool {
    /// The plan, and the base VMs in it, opened. A base VM that can't be opened is left out, like those that can't run
    /// here or of which no VM could be made a short time ago.
    func plan() async -> (plan: WarmPlan, bases: [SHA256Digest: OpenBase]) {
        let machines = policy().machines
        var candidates: [WarmPlan.Candidate] = []
        var bases: [SHA256Digest: OpenBase] = [:]
        guard machines > 0, let records = try? await registry.bases() else { return (WarmPlan([], machines: 0), [:]) }
        let supported = await support.supported(records)
        let use = state.withLock { state in
            state.backoff.keep(records)
            return state.use
        }
        for record in use.sorted(supported) where state.withLock({ $0.backoff.mayTry(record, at: .now) }) {
            do throws(CloudletError) {
                let base = try await OpenBase.open(record, in: registry)
                let hasFailed = state.withLock { $0.backoff.hasFailed(record) }
                candidates.append(.init(base: base.record, hasFailed: hasFailed))
                bases[record.hash] = base
            } catch { failed(record, error) }
            if candidates.count(where: { !$0.hasFailed }) == machines { break }
        }
        return (WarmPlan(candidates, machines: machines), bases)
    }

    func superfluous(_ wanted: [BaseVM]) async -> [(WarmVM, String)] {
        var wanted = wanted
        var found: [(WarmVM, String)] = []
        let isShort = freeMemory() < policy().memoryReserve
        for machine in state.withLock({ Array($0.warm) }) {
            if !(await machine.isWaiting) {
                found.append((machine, Self.hasEnded))
            } else if isShort {
                found.append((machine, "memory is short"))
            } else if let index = wanted.firstIndex(of: machine.base.record) {
                wanted.remove(at: index)
            } else {
                found.append((machine, "another base VM was used later"))
            }
        }
        return found
    }

    static let hasEnded = "its emulator has ended"

    /// The base VMs of which warm VMs are missing; empty while a synthesis runs.
    func missing(_ plan: WarmPlan) -> [BaseVM] {
        state.withLock { $0.syntheses == 0 ? plan.missing(from: $0.warm.map(\.base.record)) : [] }
    }

    /// Whether there is memory for a VM of `base` and for another one in addition.
    func hasRoom(for base: OpenBase) -> Bool {
        guard state.withLock({ $0.syntheses == 0 }) else { return false }
        return freeMemory() - 2 * base.machine.hostBytes >= policy().memoryReserve
    }

    /// Notes that no VM of a base could be created. It is not tried for a while, so that other bases get their VMs.
    func failed(_ base: BaseVM, _ error: CloudletError) {
        let isNew = state.withLock { $0.backoff.failed(base, error, at: .now) }
        guard isNew else { return }
        logger.warning(
            "no warm VM can be made", metadata: ["base": "\(base.hash.short)", "reason": "\(error.description)"])
    }
}
