/// A session of an earlier server whose VM runs still.
package struct AdoptedSession: Sendable {
    /// What it is doing.
    package let status: SessionStatus
    /// Its VM.
    package let machine: any SynthesizedVM
    /// What it holds of the host.
    package let place: SynthesisPlace

    /// Describes a session.
    package init(status: SessionStatus, machine: any SynthesizedVM, place: SynthesisPlace) {
        self.status = status
        self.machine = machine
        self.place = place
    }
}
