// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a session reserves on the host: memory, disk space and one of the VMs that may run. Released when the VM is
/// gone.
package final class Reservation: Sendable {
    private let onRelease: Mutex<(@Sendable () -> Void)?>
    private let onSettle: @Sendable () -> Void

    /// Creates a reservation.
    /// - Parameters:
    ///   - release: called once, when the reservation is released.
    ///   - settled: called when the VM runs, because the host's own figures include it from then on.
    package init(release: @escaping @Sendable () -> Void, settled: @escaping @Sendable () -> Void = {}) {
        onSettle = settled
        onRelease = Mutex(release)
    }

    deinit { release() }

    /// Notes that the VM runs.
    package func settle() { onSettle() }

    /// Moves what is reserved to a new object. Releasing this one has no effect from then on.
    func takeOver() -> Reservation {
        let action = onRelease.withLock { action in
            defer { action = nil }
            return action
        }
        return Reservation(release: action ?? {}, settled: onSettle)
    }

    /// Releases the reservation. Safe to call more than once.
    package func release() {
        let action = onRelease.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
    }
}
