import Synchronization

/// What a session was admitted with: memory, disk space and one of the VMs that may run. Released when the VM is gone.
package final class Reservation: Sendable {
    private let onRelease: Mutex<(@Sendable () -> Void)?>
    private let onSettle: @Sendable () -> Void

    /// Holds something.
    /// - Parameters:
    ///   - release: called once, when it is released.
    ///   - settled: called when the VM runs: what it takes shows in the host's figures from then on.
    package init(release: @escaping @Sendable () -> Void, settled: @escaping @Sendable () -> Void = {}) {
        onSettle = settled
        onRelease = Mutex(release)
    }

    deinit { release() }

    /// Notes that the VM runs.
    package func settle() { onSettle() }

    /// Frees what was held. Safe to call more than once.
    package func release() {
        let action = onRelease.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
    }
}
