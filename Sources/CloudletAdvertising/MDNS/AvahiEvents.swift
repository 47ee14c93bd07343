// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CAvahi

/// Events that avahi has reported by callbacks and the session has not handled yet: a client or group must not be freed
/// during its own callback. Used on the session's thread only.
final class AvahiEvents {
    /// The client's latest state change.
    var client: AvahiClientState?
    /// The state changes of entry groups, oldest first.
    var groups: [(group: EntryGroupID, state: AvahiEntryGroupState)] = []
}

/// Distinguishes groups that exist at the same time.
struct EntryGroupID: Hashable, Sendable {
    private let number: UInt

    init(_ pointer: OpaquePointer) { number = UInt(bitPattern: pointer) }
}
