// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// The node as independent stacks see it: libupnp's control point, and avahi.
    static let stacks = [
        Requirement("S01", .must, "libupnp's control point finds root device, UDN and device type", "UDA 1.3"),
        Requirement("S02", .must, "libupnp reads the description and those of the services", "UDA 2"),
        Requirement("S03", .must, "libupnp calls an action", "UDA 3"),
        Requirement("S04", .must, "libupnp subscribes, gets event 0, renews and ends the subscription", "UDA 4"),
        Requirement("S05", .must, "avahi browses the instance, by its type and by a subtype", "RFC 6763 4, 7.1"),
        Requirement(
            "S06", .must, "avahi resolves the instance to the host, port and TXT that the node announces",
            "RFC 6763 5, 6"),
    ]
}
