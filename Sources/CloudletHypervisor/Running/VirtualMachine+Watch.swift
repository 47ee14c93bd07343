package import CloudletCore
import Synchronization

extension VirtualMachine {
    /// Runs `body`, which changes the state of the VM. If the task is cancelled or the time is over, the VM is ended,
    /// because only then do calls return that wait for an emulator that does not answer.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or `CloudletError.unavailable` when the time was over.
    package nonisolated func watched<Value>(
        within limit: Duration, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        let outcome = Atomic(Outcome.open)
        async let _: Void = { [self] in
            let isLate = (try? await Task.sleep(for: limit)) != nil
            if outcome.settle(isLate ? .late : .cancelled) { try? await destroy() }
        }()
        do throws(CloudletError) {
            let value = try await body()
            if outcome.settle(.done) { return value }
            throw CloudletError(.interrupted, "interrupted")
        } catch {
            _ = outcome.settle(.done)
            switch outcome.load(ordering: .sequentiallyConsistent) {
            case .late:
                throw CloudletError(
                    .unavailable, "the emulator of VM \(name) did not do its work within \(limit.shown)", cause: error)
            case .cancelled: throw CloudletError(.interrupted, "interrupted", cause: error)
            case .open, .done: throw error
            }
        }
    }
}

/// The result of a watched operation. The first one set is kept.
private enum Outcome: UInt8, AtomicRepresentable {
    case open
    case done
    case late
    case cancelled
}

extension Atomic where Value == Outcome {
    /// Sets the outcome if there is none yet.
    /// - Returns: whether there was none.
    fileprivate func settle(_ outcome: Outcome) -> Bool {
        compareExchange(expected: .open, desired: outcome, ordering: .sequentiallyConsistent).exchanged
    }
}
