import Synchronization

/// What a session was admitted with: memory, disk and its place among the others. Given back when the VM is gone.
package final class SynthesisPlace: Sendable {
    private let release: Mutex<(@Sendable () -> Void)?>
    private let settled: @Sendable () -> Void

    /// A place.
    /// - Parameters:
    ///   - release: run once when the place is given back.
    ///   - settled: run when the VM runs: what it takes shows in the host's figures from then on.
    package init(release: @escaping @Sendable () -> Void, settled: @escaping @Sendable () -> Void = {}) {
        self.settled = settled
        self.release = Mutex(release)
    }

    deinit { giveBack() }

    /// Notes that the VM runs.
    package func settle() { settled() }

    /// Frees what was held. Safe to call more than once.
    package func giveBack() {
        let action = release.withLock { release in
            defer { release = nil }
            return release
        }
        action?()
    }
}
