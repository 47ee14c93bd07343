import CAvahi

/// What avahi has called back and nobody has acted on yet: a client or group must not be freed while it calls. Lives on
/// the thread of its session.
final class AvahiEvents {
    /// The client's last change of state.
    var client: AvahiClientState?
    /// The changes of state of entry groups, the oldest first.
    var groups: [(group: EntryGroupID, state: AvahiEntryGroupState)] = []
}

/// Tells groups apart that exist at the same time.
struct EntryGroupID: Hashable, Sendable {
    private let number: UInt

    init(_ pointer: OpaquePointer) { number = UInt(bitPattern: pointer) }
}
