/// A session of an earlier server whose VM runs still.
public struct AdoptedSession: Sendable {
    /// What it is doing.
    public let status: SessionStatus
    /// Its VM.
    public let machine: any SynthesizedVM
    /// What it holds of the host.
    public let place: SynthesisPlace

    /// Describes a session.
    public init(status: SessionStatus, machine: any SynthesizedVM, place: SynthesisPlace) {
        self.status = status
        self.machine = machine
        self.place = place
    }
}
