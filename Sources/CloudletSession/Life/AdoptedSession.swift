// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A session of an earlier server whose VM still runs.
package struct AdoptedSession: Sendable {
    /// The session's status.
    package let status: SessionStatus
    /// Its VM.
    package let machine: any SynthesizedVM
    /// The resources reserved for the VM.
    package let reservation: Reservation

    /// Creates a description of a session.
    package init(status: SessionStatus, machine: any SynthesizedVM, reservation: Reservation) {
        self.status = status
        self.machine = machine
        self.reservation = reservation
    }
}
