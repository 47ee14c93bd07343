// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CAvahi
import CloudletDiscovery

/// The records published on one interface under one name. The pointer is valid until `free`, or until its client is
/// freed.
@safe struct EntryGroup {
    private let pointer: OpaquePointer

    /// Identifies the group.
    var id: EntryGroupID { unsafe EntryGroupID(pointer) }

    /// Creates a group without entries; `nil` when avahi can't create one. Its state changes are appended to `events`,
    /// which must outlive the group.
    init?(of client: OpaquePointer, reportingTo events: AvahiEvents) {
        let context = unsafe Unmanaged.passUnretained(events).toOpaque()
        let made = unsafe avahi_entry_group_new(
            client,
            { group, state, context in
                guard let context = unsafe context, let group = unsafe group else { return }
                unsafe Unmanaged<AvahiEvents>.fromOpaque(context).takeUnretainedValue().groups.append(
                    (EntryGroupID(group), state))
            }, context)
        guard let made = unsafe made else { return nil }
        unsafe pointer = made
    }

    /// Withdraws the published records. Must not be called in a callback of the group.
    func free() { unsafe avahi_entry_group_free(pointer) }

    /// Publishes the services and subtypes of `desired`.
    /// - Returns: 0 or avahi's error.
    func publish(_ desired: DesiredPublication, as name: String, on interface: Int32) -> Int32 {
        let flags = AvahiPublishFlags(0)
        let any = Int32(cloudlet_avahi_protocol_any)
        for type in desired.types {
            let strings = unsafe Self.stringList(desired.publication.txt)
            defer { unsafe avahi_string_list_free(strings) }
            let result = unsafe avahi_entry_group_add_service_strlst(
                pointer, interface, any, flags, name, type, nil, nil, desired.publication.port, strings)
            guard result == 0 else { return result }
        }
        for subtype in desired.publication.subtypes {
            let result = unsafe avahi_entry_group_add_service_subtype(
                pointer, interface, any, flags, name, MDNSPublication.type, nil, subtype)
            guard result == 0 else { return result }
        }
        return unsafe avahi_entry_group_commit(pointer)
    }

    /// Replaces the TXT records.
    /// - Returns: 0 or avahi's last error.
    func updateText(_ desired: DesiredPublication, as name: String, on interface: Int32) -> Int32 {
        let strings = unsafe Self.stringList(desired.publication.txt)
        defer { unsafe avahi_string_list_free(strings) }
        var failure: Int32 = 0
        for type in desired.types {
            let result = unsafe avahi_entry_group_update_service_txt_strlst(
                pointer, interface, Int32(cloudlet_avahi_protocol_any), AvahiPublishFlags(0), name, type, nil, strings)
            if result != 0 { failure = result }
        }
        return failure
    }

    /// The strings as an avahi list: avahi adds at the front and writes the list to the wire from the back.
    private static func stringList(_ strings: [String]) -> UnsafeMutablePointer<AvahiStringList>? {
        var list: UnsafeMutablePointer<AvahiStringList>?
        for string in strings {
            let bytes = Array(string.utf8)
            unsafe list = avahi_string_list_add_arbitrary(list, bytes, bytes.count)
        }
        return unsafe list
    }
}
