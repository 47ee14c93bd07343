import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Logging
import Synchronization

/// Decides which warm VMs there should be.
extension WarmPool {
    /// The base of each VM to keep warm: one for each base, the ones used last first; if more VMs are to be kept, the
    /// list repeats.
    func wantedBases() async -> [OpenBase] {
        guard let records = try? await registry.bases(), !records.isEmpty else { return [] }
        let use = state.withLock { state in
            state.backoff.keep(records)
            return state.use
        }
        var bases: [OpenBase] = []
        for record in use.sorted(records) where state.withLock({ $0.backoff.mayTry(record, at: .now) }) {
            do throws(CloudletError) { bases.append(try await OpenBase.open(record, in: registry)) } catch {
                failed(record, error)
            }
        }
        guard !bases.isEmpty else { return [] }
        return (0..<policy().machines).map { bases[$0 % bases.count] }
    }

    func superfluous(_ wanted: [OpenBase]) async -> [(WarmVM, String)] {
        var wanted = wanted.map(\.record)
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

    /// The bases for which warm VMs are missing; empty while a synthesis runs.
    func missing(_ wanted: [OpenBase]) -> [OpenBase] {
        state.withLock { state in
            guard state.syntheses == 0 else { return [] }
            var warm = state.warm.map(\.base.record)
            return wanted.filter { base in
                guard let index = warm.firstIndex(of: base.record) else { return true }
                warm.remove(at: index)
                return false
            }
        }
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
