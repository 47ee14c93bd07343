// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements A01 to A06, A10, A14, A17: the announcements after a start, judged from the messages received since
/// then.
struct AnnouncementChecks: Sendable {
    /// Every NT that should be announced, with its USN.
    let expected: [String: String]
    let udn: String
    /// The messages received from each group since the start.
    let received: [Endpoint: [ReceivedMessage]]

    init(_ device: DeviceUnderTest, _ received: [Endpoint: [ReceivedMessage]]) {
        (expected, udn, self.received) = (device.description.targets, device.udn, received)
    }

    private var own: [ReceivedMessage] { of(.ssdpV4) }
    private var alive: [ReceivedMessage] { own.filter { $0.message.kind == "ssdp:alive" } }

    private func of(_ group: Endpoint) -> [ReceivedMessage] { (received[group] ?? []).filter { $0.message.udn == udn } }

    func run() -> Outcomes {
        let requirements = ["A01", "A02", "A03", "A04", "A05", "A06", "A10", "A14", "A17"]
        guard let first = alive.first else {
            return Dictionary(
                uniqueKeysWithValues: requirements.map { ($0, .fail("nothing was announced after the start")) })
        }
        let message = first.message
        var outcomes: Outcomes = [:]
        let targets = Set(alive.compactMap { $0.message["NT"] })
        let missing = expected.keys.filter { !targets.contains($0) }
        let foreign = targets.filter { expected[$0] == nil }
        outcomes["A01"] = .all(
            [
                (missing.isEmpty, "not announced: \(missing.sorted().joined(separator: ", "))"),
                (foreign.isEmpty, "not described: \(foreign.sorted().joined(separator: ", "))"),
            ], "\(targets.count) targets")
        outcomes["A02"] = .of(
            own.allSatisfy {
                $0.message["HOST"] == "239.255.255.250:1900" && $0.message.startLine == "NOTIFY * HTTP/1.1"
            },
            "\(own.count) messages, HOST \(message["HOST"] ?? "missing")")
        let wrong = own.filter { expected[$0.message["NT"] ?? ""] != $0.message["USN"] }
        outcomes["A03"] = .of(wrong.isEmpty, "\(wrong.count) of \(own.count) with a wrong USN")
        outcomes["A04"] = copies()
        outcomes["A05"] = wait()
        let ages = Set(alive.map { $0.message.maximumAge })
        outcomes["A06"] = .of(
            ages.allSatisfy { $0.map { $0 >= 1800 } ?? false },
            "max-age \(ages.map { $0.map(String.init) ?? "missing" }.sorted().joined(separator: ", "))")
        outcomes["A10"] = server(message["SERVER"] ?? "")
        outcomes["A14"] = numbers()
        let isOld = message["SERVER"]?.contains("UPnP/1.0") == true
        let hops = Set(own.map(\.hops))
        outcomes["A17"] = .of(hops == [isOld ? 4 : 2], "TTL \(hops.sorted())")
        return outcomes
    }

    private func copies() -> Outcome {
        var conditions: [(Bool, String)] = []
        var gaps: [Int] = []
        for target in expected.keys {
            let times = alive.filter { $0.message["NT"] == target }.map(\.time).sorted()
            conditions.append((2...3 ~= times.count, "\(target): \(times.count) times"))
            gaps += zip(times, times.dropFirst()).map { ($1 - $0).milliseconds }
        }
        if let least = gaps.min(), let most = gaps.max() {
            conditions.append((least >= 80 && most <= 1500, "\(least) to \(most) ms apart"))
        }
        return .all(conditions, "sets \(gaps.min() ?? 0) to \(gaps.max() ?? 0) ms apart")
    }

    /// From outside, the wait can't be distinguished from the time that a program needs to start. When a node announces
    /// itself to several groups with a separate wait for each, the differences show it.
    private func wait() -> Outcome {
        let firsts = [Endpoint.ssdpV4, .ssdpLink, .ssdpSite].compactMap { of($0).first?.time }.sorted()
        guard firsts.count > 1, let first = firsts.first, let last = firsts.last, (last - first).milliseconds > 2 else {
            return .notChecked("the wait can't be distinguished from the time that the program needs to start")
        }
        let spread = (last - first).milliseconds
        return .of(spread <= 250, "the first messages to the groups were sent over \(spread) ms")
    }

    private func server(_ text: String) -> Outcome {
        // UDA 1.0 separates the products by commas, later versions by blanks.
        let products = text.split(whereSeparator: { $0 == " " || $0 == "," }).map { $0.split(separator: "/") }
        guard let upnp = products.firstIndex(where: { $0.first == "UPnP" }) else {
            return .fail("'\(text)' does not name UPnP")
        }
        let version = products[upnp].dropFirst().first.map(String.init) ?? ""
        return .all(
            [
                (upnp == 1 && products[0].count == 2, "the system has no version"),
                (["1.0", "1.1", "2.0"].contains(version), "UPnP/\(version)"),
                (products.count == 3 && products[2].count == 2, "the product is not NAME/VERSION"),
            ].map { ($0.0, "\($0.1) in '\(text)'") }, text)
    }

    private func numbers() -> Outcome {
        func isNumber(_ name: String) -> Bool {
            own.allSatisfy { $0.message.number(name).map { 0...0x7FFF_FFFF ~= $0 } ?? false }
        }
        return .all(
            ["BOOTID.UPNP.ORG", "CONFIGID.UPNP.ORG"].map { name in
                (isNumber(name), "\(name) is \(own.first?.message[name] ?? "missing")")
            }, "BOOTID \(own.first?.message["BOOTID.UPNP.ORG"] ?? ""), in \(own.count) messages")
    }
}
