// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// SSDP: the announcements of a device (UDA 2.0 §1.2).
    static let announcements = [
        Requirement(
            "A01", .must, "a start is announced with root device, UDN, device types and service types", "UDA 1.2.2"),
        Requirement("A02", .must, "announcements go to the group, and HOST names it", "UDA 1.2.2"),
        Requirement("A03", .must, "each USN is the UDN, or the UDN and the NT", "UDA 1.2.2"),
        Requirement("A04", .should, "the set is sent two or three times, a few hundred ms apart", "UDA 1.2.2"),
        Requirement("A05", .should, "the first announcement waits a random time of up to 100 ms", "UDA 1.2.2"),
        Requirement("A06", .must, "CACHE-CONTROL has a max-age, of half an hour or more", "UDA 1.2.2"),
        Requirement(
            "A07", .must, "announcements are repeated at random times before half their life is over", "UDA 1.2.2"),
        Requirement("A08", .should, "changes of the description cause no lasting storm", "UDA 1.2.2"),
        Requirement("A09", .must, "every LOCATION is an absolute URL that can be fetched there", "UDA 1.2.2"),
        Requirement("A10", .must, "SERVER names system, UPnP version and product, each with its version", "UDA 1.2.2"),
        Requirement("A11", .should, "a node that ends revokes everything that it announced", "UDA 1.2.3"),
        Requirement(
            "A12", .must, "after a crash the announcements expire, and a restart announces again", "UDA 1.2.3"),
        Requirement("A13", .should, "a restart first revokes what was announced before a crash", "WANIPConn:2 1.2"),
        Requirement("A14", .must, "BOOTID and CONFIGID are present and not negative, and BOOTID grows", "UDA 1.2.2"),
        Requirement(
            "A15", .must, "ssdp:update precedes a change of BOOTID of a node that stays, and alive follows", "UDA 1.2.4"
        ),
        Requirement("A16", .must, "unicast searches are received at port 1900, or at SEARCHPORT", "UDA 1.2.2"),
        Requirement("A17", .should, "the TTL of announcements is 2 (4 for UDA 1.0)", "UDA 1.2.1"),
        Requirement(
            "A18", .must, "over IPv6, ff02::c and ff05::c are used, with matching HOST and LOCATION", "UDA Annex A"),
        Requirement("A19", .must, "each network gets the LOCATION that is valid there", "UDA 1.2.2"),
        Requirement("A20", .policy, "nothing is announced on VPN, container and point-to-point interfaces", "-"),
    ]
}
