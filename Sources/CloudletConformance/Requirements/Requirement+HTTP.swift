// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// Description, control, events and presentation (UDA 2.0 §2 to §5).
    static let http = [
        Requirement("C01", .must, "the description is served with type, length, date and server", "UDA 2.11"),
        Requirement("C02", .must, "the description has all required elements in their namespace", "UDA 2.3"),
        Requirement("C03", .must, "the UDN stays the same after a restart", "UDA 1.1.4"),
        Requirement(
            "C04", .must, "each service has type, id and three URLs, and its description can be fetched", "UDA 2.3"),
        Requirement("C05", .must, "service descriptions are well formed, every argument has its variable", "UDA 2.5"),
        Requirement(
            "C06", .practice, "HEAD works, missing documents get 404, no path leads out of the documents", "RFC 9110"),
        Requirement("C07", .must, "HTTP/1.1 without Host is refused with 400", "RFC 9112 3.2"),
        Requirement("C08", .security, "a Host that is not the node's own is refused (DNS rebinding)", "CVE-2021-29462"),
        Requirement("C09", .must, "names with markup and other scripts are escaped as XML demands", "XML"),
        Requirement("C10", .must, "control answers with EXT, and refuses with a UPnPError", "UDA 3.2"),
        Requirement("C11", .robustness, "the size of requests is bounded", "-"),
        Requirement(
            "C12", .must, "a subscription gets SID and TIMEOUT, then all evented variables as event 0", "UDA 4.1.2"),
        Requirement("C13", .must, "wrong subscriptions are refused with the right status", "UDA 4.1"),
        Requirement("C14", .should, "subscriptions last half an hour or more, and none lasts forever", "UDA 4.1.2"),
        Requirement("C15", .must, "events are sent to no third party (CallStranger)", "UDA 4.1.1, CVE-2020-12695"),
        Requirement("C16", .robustness, "the number of subscriptions is bounded", "-"),
        Requirement("C17", .robustness, "the node survives malformed control and event requests", "CVE-2020-13848"),
        Requirement("C18", .robustness, "idle and slow clients do not delay others", "-"),
        Requirement("C19", .should, "the presentation page is served where presentationURL says", "UDA 5"),
        Requirement("C20", .must, "every service has an eventSubURL element, empty if it has no events", "UDA 2.3"),
    ]
}
