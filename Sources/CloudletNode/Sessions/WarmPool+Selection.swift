import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Logging
import Synchronization

/// Which warm VMs there should be.
extension WarmPool {
    /// The base of each VM to be kept warm: one for each base in the order of their use, then another round.
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

    /// The bases of which warm VMs are missing; none while there is other work.
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

    /// Whether there is memory for a VM on `base` and for another one beside it.
    func hasRoom(for base: OpenBase) -> Bool {
        guard state.withLock({ $0.syntheses == 0 }) else { return false }
        return freeMemory() - 2 * base.machine.hostBytes >= policy().memoryReserve
    }

    /// Leaves a base alone for a while with which something is wrong; others get their VMs.
    func failed(_ base: BaseVM, _ error: CloudletError) {
        let isNew = state.withLock { $0.backoff.failed(base, error, at: .now) }
        guard isNew else { return }
        logger.warning(
            "no warm VM can be made", metadata: ["base": "\(base.hash.short)", "reason": "\(error.description)"])
    }
}
