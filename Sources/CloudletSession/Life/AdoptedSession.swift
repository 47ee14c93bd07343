/// A session of an earlier server whose VM still runs.
package struct AdoptedSession: Sendable {
    /// What it is doing.
    package let status: SessionStatus
    /// Its VM.
    package let machine: any SynthesizedVM
    /// What it holds of the host.
    package let reservation: Reservation

    /// Describes a session.
    package init(status: SessionStatus, machine: any SynthesizedVM, reservation: Reservation) {
        self.status = status
        self.machine = machine
        self.reservation = reservation
    }
}
