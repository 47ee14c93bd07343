// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements C12 to C16: subscriptions to events (GENA).
struct EventChecks: Sendable {
    let context: CheckContext

    private static let requirements = ["C12", "C13", "C14", "C15", "C16"]

    private func send(_ method: String, _ url: WebAddress, _ headers: [String]) async -> HTTPProbe {
        await HTTPProbe.ask(url.endpoint, "\(method) \(url.path) HTTP/1.1", headers)
    }

    /// The last service with evented variables, and their names.
    private func evented() async -> (url: WebAddress, variables: Set<String>)? {
        for service in context.device.description.services.reversed() {
            guard let url = service.events, let variables = try? await service.document?.markup().eventedVariables,
                !variables.isEmpty
            else { continue }
            return (url, variables)
        }
        return nil
    }

    func run() async -> Outcomes {
        guard let (url, variables) = await evented(), let server = try? EventServer(at: context.link.address) else {
            return Dictionary(
                uniqueKeysWithValues: Self.requirements.map { ($0, .notChecked("no service has events")) })
        }
        let callback = "CALLBACK: <http://\(context.link.address.urlHost):\(server.port)/event>"
        let granted = await send("SUBSCRIBE", url, [callback, "NT: upnp:event", "TIMEOUT: Second-infinite"])
        let short = await send("SUBSCRIBE", url, [callback, "NT: upnp:event", "TIMEOUT: Second-5"])
        var outcomes: Outcomes = [:]
        outcomes["C14"] = duration(granted, short)
        outcomes["C13"] = await refusals(url, callback, granted["SID"] ?? "uuid:none")
        outcomes["C15"] = await thirdParties(url, to: server.port)
        outcomes["C12"] = await firstEvent(granted, variables, server)
        for sid in [granted, short].compactMap({ $0["SID"] }) { _ = await send("UNSUBSCRIBE", url, ["SID: \(sid)"]) }
        outcomes["C16"] = await many(url, callback)
        return outcomes
    }

    private func duration(_ infinite: HTTPProbe, _ short: HTTPProbe) -> Outcome {
        let times = [infinite, short].map { $0["TIMEOUT"] ?? "nothing" }
        let seconds = times.map { Int($0.lowercased().dropFirst("second-".count)) ?? 0 }
        return .of(
            seconds.allSatisfy { $0 >= 1800 },
            "asked for infinite, granted \(times[0]); asked for 5 s, granted \(times[1])")
    }

    private func firstEvent(_ granted: HTTPProbe, _ variables: Set<String>, _ server: EventServer) async -> Outcome {
        guard granted.status == 200, let sid = granted["SID"] else { return .fail("status \(granted.status), no SID") }
        var event = ""
        for await _ in server.arrivals(for: .seconds(3)) {
            event = server.received.first { $0.contains(sid) } ?? ""
            if !event.isEmpty { break }
        }
        let missing = variables.filter { !event.contains("<\($0)>") && !event.contains("<\($0)/>") }
        let head = event.lowercased()
        return .all(
            [
                (
                    granted["TIMEOUT"] != nil && granted["Date"] != nil && granted["Server"] != nil,
                    "headers are missing"
                ),
                (!event.isEmpty, "no event within 3 s"),
                (event.isEmpty || event.hasPrefix("NOTIFY /event HTTP/1.1"), "the event is not a NOTIFY"),
                (
                    event.isEmpty || head.filter { $0 != " " }.contains("\r\nseq:0\r\n"),
                    "the first event is not number 0"
                ),
                (event.isEmpty || head.contains("upnp:propchange"), "no NTS upnp:propchange"),
                (event.isEmpty || missing.isEmpty, "not sent: \(missing.sorted().joined(separator: ", "))"),
            ], "event 0 with \(variables.count) variables")
    }

    private func refusals(_ url: WebAddress, _ callback: String, _ sid: String) async -> Outcome {
        let cases: [(String, String, [String], Set<Int>)] = [
            ("no CALLBACK", "SUBSCRIBE", ["NT: upnp:event"], [412]),
            ("bad CALLBACK", "SUBSCRIBE", ["CALLBACK: <>", "NT: upnp:event"], [412]),
            ("no NT", "SUBSCRIBE", [callback], [412]), ("bad NT", "SUBSCRIBE", [callback, "NT: other"], [412]),
            ("unknown SID", "SUBSCRIBE", ["SID: uuid:00000000-1111-4222-8333-444444444444"], [412]),
            ("SID with NT", "SUBSCRIBE", ["SID: \(sid)", "NT: upnp:event"], [400]),
            ("SID with CALLBACK", "SUBSCRIBE", ["SID: \(sid)", callback], [400]),
            ("unsubscribing an unknown SID", "UNSUBSCRIBE", ["SID: uuid:00000000-1111-4222-8333-444444444444"], [412]),
        ]
        var conditions: [(Bool, String)] = []
        for (label, method, headers, expected) in cases {
            let status = await send(method, url, headers).status
            conditions.append((expected.contains(status), "\(label): status \(status)"))
        }
        return .all(conditions, "\(cases.count) cases")
    }

    private func thirdParties(_ url: WebAddress, to port: UInt16) async -> Outcome {
        var conditions: [(Bool, String)] = []
        for target in ["192.0.2.77:80", "127.0.0.1:22", "\(context.device.address.urlHost):22"] {
            let answer = await send("SUBSCRIBE", url, ["CALLBACK: <http://\(target)/>", "NT: upnp:event"])
            conditions.append((answer.status >= 400, "\(target): status \(answer.status)"))
            if let sid = answer["SID"] { _ = await send("UNSUBSCRIBE", url, ["SID: \(sid)"]) }
        }
        return .all(conditions, "refused")
    }

    private func many(_ url: WebAddress, _ callback: String) async -> Outcome {
        var (sids, refusal): ([String], Int?) = ([], nil)
        for _ in 0..<150 where refusal == nil {
            let answer = await send("SUBSCRIBE", url, [callback, "NT: upnp:event"])
            if let sid = answer["SID"], answer.status == 200 { sids.append(sid) } else { refusal = answer.status }
        }
        for sid in sids { _ = await send("UNSUBSCRIBE", url, ["SID: \(sid)"]) }
        return .of(
            refusal.map { $0 / 100 == 5 } ?? false,
            "\(sids.count) subscriptions granted, then \(refusal.map { "status \($0)" } ?? "still no refusal")")
    }
}
