// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// SSDP: how a device answers searches (UDA 2.0 §1.3).
    static let searches = [
        Requirement("B01", .must, "ssdp:all is answered with everything that is announced", "UDA 1.3.3"),
        Requirement("B02", .must, "upnp:rootdevice is answered once", "UDA 1.3.3"),
        Requirement(
            "B03", .must, "a search for the node's UDN is answered once, one for another UDN is not", "UDA 1.3.3"),
        Requirement("B04", .must, "each device and service type is answered once", "UDA 1.3.3"),
        Requirement("B05", .must, "a search for a lower version is answered with that version", "UDA 1.3.3"),
        Requirement("B06", .must, "a search for a higher version is not answered", "UDA 1.3.3"),
        Requirement(
            "B07", .must, "a search for another type, or for the beginning of the node's type, is not answered",
            "UDA 1.3.3"),
        Requirement("B08", .must, "an ST that is missing, empty or not a target is not answered", "UDA 1.3.3"),
        Requirement("B09", .must, "a search without MAN, or without its quotes, is not answered", "UDA 1.3.2"),
        Requirement("B10", .must, "a multicast search without a valid MX is dropped", "UDA 1.3.3"),
        Requirement("B11", .should, "answers come after a random wait of at most MX", "UDA 1.3.3"),
        Requirement("B12", .should, "MX above 5 is taken as 5 at most", "UDA 1.3.3"),
        Requirement("B13", .should, "several answers to one search are spread over time", "UDA 1.3.3"),
        Requirement("B14", .robustness, "searches with a huge MX don't fill the memory", "-"),
        Requirement("B15", .must, "a unicast search is answered within a second, without MX", "UDA 1.3.2"),
        Requirement("B16", .must, "a multicast search with a wrong HOST, or none, is dropped", "UDA 1.3.2"),
        Requirement("B17", .robustness, "the node survives malformed datagrams and does not answer them", "-"),
        Requirement("B18", .must, "answers have CACHE-CONTROL, DATE, EXT, LOCATION, SERVER, ST, USN", "UDA 1.3.3"),
        Requirement("B19", .must, "answers go to the address and port from which the search came", "UDA 1.3.3"),
        Requirement("B20", .practice, "answers come from port 1900, as firewalls and connected sockets expect", "-"),
        Requirement("B21", .security, "hosts that are not on the link are not answered", "UDA 1.3.2"),
        Requirement("B22", .security, "the number of answers is bounded, however many searches arrive", "-"),
        Requirement("B23", .must, "a search is answered on the network on which it arrived", "UDA 1.3.3"),
        Requirement("B24", .practice, "other SSDP programs on the same host do not interfere", "-"),
        Requirement("B25", .practice, "searches are answered again after the link or the interface was down", "-"),
    ]
}
