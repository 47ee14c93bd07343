// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// mDNS and DNS-SD (RFC 6762, RFC 6763).
    static let mdns = [
        Requirement(
            "M01", .must, "names are probed three times, 250 ms apart, with the proposed records", "RFC 6762 8.1"),
        Requirement("M02", .should, "probes ask for unicast answers", "RFC 6762 8.1"),
        Requirement("M03", .must, "of two simultaneous probes the lexicographically later one wins", "RFC 6762 8.2"),
        Requirement("M04", .must, "announcements are sent twice or more, a second or more apart", "RFC 6762 8.3"),
        Requirement("M05", .quality, "the service can be used soon after it was started", "-"),
        Requirement("M06", .must, "a service name that is taken is changed and probed again", "RFC 6762 9"),
        Requirement("M07", .practice, "two nodes with the same name on one host get different names", "-"),
        Requirement("M08", .must, "a host name that is taken is changed", "RFC 6762 9"),
        Requirement("M09", .must, "the node's name is defended against a conflicting answer", "RFC 6762 9"),
        Requirement("M10", .should, "a node that ends sends goodbyes, also when it is killed", "RFC 6762 10.1"),
        Requirement("M11", .must, "unique records have the cache-flush bit, shared ones not", "RFC 6762 10.2"),
        Requirement("M12", .should, "records of host names live 120 s, others 4500 s", "RFC 6762 10"),
        Requirement("M13", .must, "answers that the querier knows are not repeated", "RFC 6762 7.1"),
        Requirement(
            "M14", .must, "answers that the querier knows for less than half their life are repeated", "RFC 6762 7.1"),
        Requirement("M15", .must, "shared answers wait 20 to 120 ms, unique ones do not", "RFC 6762 6"),
        Requirement("M16", .must, "no record is multicast twice within a second", "RFC 6762 6"),
        Requirement("M17", .should, "a question that asks for a unicast answer gets one", "RFC 6762 5.4"),
        Requirement(
            "M18", .must, "an old-style query gets a unicast answer with id, question and short life", "RFC 6762 6.7"),
        Requirement("M19", .may, "a query sent to the node alone is answered", "RFC 6762 5.5"),
        Requirement("M20", .must, "answers have TTL 255 and id 0; other opcodes are ignored", "RFC 6762 11, 18"),
        Requirement(
            "M21", .must, "questions sent to the node by hosts that are not on the link are not answered", "RFC 6762 11"
        ),
        Requirement("M22", .must, "NSEC lists the types of records that a name of the node has", "RFC 6762 6.1"),
        Requirement(
            "M23", .should, "an answer with the instance also carries its SRV, TXT and addresses", "RFC 6763 12.1"),
        Requirement("M24", .should, "the service type is in the list of all types", "RFC 6763 9"),
        Requirement("M25", .may, "subtypes lead to the instance", "RFC 6763 7.1"),
        Requirement(
            "M26", .must, "the TXT record is well formed: txtvers first, short unique ASCII keys, small", "RFC 6763 6"),
        Requirement("M27", .should, "a node that vanished without a goodbye is not shown for long", "RFC 6762 10.5"),
        Requirement("M28", .must, "the service type is valid", "RFC 6335, RFC 6763 7"),
        Requirement("M29", .must, "the instance name is at most 63 bytes of UTF-8", "RFC 6763 4.1.1"),
        Requirement("M30", .must, "a changed address is announced, the old one is no longer sent", "RFC 6762 8.4"),
        Requirement("M31", .must, "each network gets the addresses of that network", "RFC 6762 14"),
        Requirement("M32", .should, "other responders on the same host do not interfere", "RFC 6762 15"),
        Requirement("M33", .robustness, "malformed messages are ignored", "RFC 6762 18.14"),
        Requirement("M34", .security, "the responder survives loops of CNAMEs", "-"),
        Requirement("M35", .security, "no user of the host can end the responder", "-"),
    ]
}
