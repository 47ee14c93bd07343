// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements B01 to B20: which searches are answered, and how.
struct SearchChecks: Sendable {
    let context: CheckContext

    private var device: DeviceUnderTest { context.device }
    private var types: [String] { device.description.types }

    func run() async -> Outcomes {
        var outcomes = await answered()
        outcomes.merge(await silent()) { $1 }
        outcomes["B15"] = await unicast()
        outcomes["B19"] = await addressed()
        outcomes["B17"] = await garbage()
        return outcomes
    }

    // MARK: - What must be answered

    private func answered() async -> Outcomes {
        var outcomes: Outcomes = [:]
        let all = await context.ask(SearchText("ssdp:all") { $0.mx = "2" }, wait: 2.4)
        let expected = device.description.targets
        let targets = all.compactMap { $0.message["ST"] }
        outcomes["B01"] = .of(
            targets.sorted() == expected.keys.sorted()
                && all.allSatisfy { expected[$0.message["ST"] ?? ""] == $0.message["USN"] },
            "\(all.count) answers for \(expected.count) targets")
        outcomes["B18"] = headers(all)
        outcomes["B20"] =
            all.isEmpty
            ? .notChecked("no answer")
            : .of(
                all.allSatisfy {
                    $0.source.port == ($0.message.number("SEARCHPORT.UPNP.ORG").map(UInt16.init) ?? 1900)
                },
                "answers came from port \(Set(all.map(\.source.port)).sorted())")

        let names = ["upnp:rootdevice", device.udn, "uuid:00000000-1111-4222-8333-444444444444"]
        let higher = types.compactMap { Self.versioned($0) { $0 + 1 } }
        let counts = await context.counts((names + types + higher).map { SearchText($0) })
        let each = counts.dropFirst(3).prefix(types.count)
        let unanswered = counts.dropFirst(3 + types.count)
        outcomes["B02"] = .of(counts[0] == 1, "\(counts[0]) answers")
        outcomes["B03"] = .of(
            counts[1] == 1 && counts[2] == 0, "own UDN \(counts[1]) answers, another one \(counts[2])")
        outcomes["B04"] = .all(
            zip(types, each).map { ($1 == 1, "\($0): \($1) answers") }, "\(types.count) types, one answer each")
        outcomes["B05"] = await lowerVersion()
        outcomes["B06"] = .of(
            unanswered.allSatisfy { $0 == 0 }, "\(higher.count) types in a higher version: \(Array(unanswered)) answers"
        )
        return outcomes
    }

    private func lowerVersion() async -> Outcome {
        guard let asked = types.compactMap({ Self.versioned($0) { $0 - 1 } }).last(where: { !$0.hasSuffix(":0") })
        else {
            return .notChecked("every type is version 1")
        }
        let answers = await context.ask(SearchText(asked))
        guard answers.count == 1, let message = answers.first?.message else {
            return .fail("\(asked): \(answers.count) answers")
        }
        return .of(
            message["ST"] == asked && message["USN"] == "\(device.udn)::\(asked)",
            "asked for \(asked), got ST \(message["ST"] ?? "none")")
    }

    /// The type with a changed version; `nil` for a type without a version.
    static func versioned(_ type: String, _ change: (Int) -> Int) -> String? {
        guard let colon = type.lastIndex(of: ":"), let version = Int32(type[type.index(after: colon)...]) else {
            return nil
        }
        return "\(type[...colon])\(change(Int(version)))"
    }

    private func headers(_ answers: [ReceivedMessage]) -> Outcome {
        guard let message = answers.first?.message else { return .fail("no answer to ssdp:all") }
        let date = message["DATE"] ?? ""
        return .all(
            ["CACHE-CONTROL", "EXT", "LOCATION", "SERVER", "ST", "USN"].map { (message[$0] != nil, "\($0) is missing") }
                + [
                    (message.startLine.hasPrefix("HTTP/1.1 200"), "begins with \(message.startLine)"),
                    (date.hasSuffix("GMT") && date.contains(","), "DATE is '\(date)'"),
                    ((message.maximumAge ?? 0) > 0, "no max-age"),
                ], "all there; \(message["SERVER"] ?? "")")
    }

    // MARK: - What must not be answered

    private func silent() async -> Outcomes {
        let type = context.options.deviceType
        let prefixes = types.flatMap { type -> [String] in
            guard let colon = type.lastIndex(of: ":") else { return [] }
            let (name, version) = (type[..<colon], type[colon...])
            return ["\(name.dropLast(1))\(version)", "\(name)X\(version)"]
        }
        let groups: [(requirement: String, cases: [(String, SearchText)])] = [
            ("B07", (prefixes + ["urn:schemas-upnp-org:device:Basic:1"]).map { ($0, SearchText($0)) }),
            (
                "B08",
                [
                    ("missing", SearchText(nil)), ("empty", SearchText("")), ("foo:all", SearchText("foo:all")),
                    ("foo:rootdevice", SearchText("foo:rootdevice")), ("uuid:", SearchText("uuid:")),
                    ("type without version", SearchText(type.split(separator: ":").dropLast().joined(separator: ":"))),
                ]
            ),
            (
                "B09",
                [
                    ("missing", SearchText(type) { $0.man = nil }),
                    ("unquoted", SearchText(type) { $0.man = "ssdp:discover" }),
                    ("other", SearchText(type) { $0.man = "\"ssdp:other\"" }),
                ]
            ),
            (
                "B10",
                [("missing", nil), ("empty", ""), ("word", "abc"), ("negative", "-1")].map { label, value in
                    (label, SearchText(type) { $0.mx = value })
                }
            ),
            (
                "B16",
                [("missing", nil), ("another address", "192.0.2.1:1900"), ("another group", "239.0.0.1:1900")].map {
                    label, value in (label, SearchText(type) { $0.host = value })
                }
            ),
        ]
        let counts = await context.counts(groups.flatMap { $0.cases.map(\.1) })
        var (outcomes, next): (Outcomes, Int) = ([:], 0)
        for (requirement, cases) in groups {
            let own = counts[next..<next + cases.count]
            next += cases.count
            outcomes[requirement] = .all(
                zip(cases, own).map { ($1 == 0, "\($0.0): \($1) answers") }, "\(cases.count) cases, no answer")
        }
        return outcomes
    }

    /// Sends datagrams that are not searches, and then a search, to see that they did no harm.
    private func garbage() async -> Outcome {
        let search = SearchText(context.options.deviceType)
        let line = { (text: String) in SearchText(context.options.deviceType) { $0.startLine = text }.text }
        let pieces: [[UInt8]] = [
            [], [0], Array("\r\n\r\n".utf8), Array("M-SEARCH".utf8), Array(line("GET / HTTP/1.1").utf8),
            Array(line("M-SEARCH /x HTTP/1.1").utf8), Array(line("M-SEARCH *").utf8),
            [UInt8](repeating: 0x78, count: 8900),
            [UInt8](repeating: 0, count: 300), (0..<600).map { UInt8(truncatingIfNeeded: $0 &* 7919) },
            Array("M-SEARCH * HTTP/1.1\r\n".utf8) + (0..<150).flatMap { Array("X-\($0): y\r\n".utf8) },
            Array(search.text.utf8.prefix(40)),
        ]
        guard let queryPort = try? context.link.queryPort() else { return .notChecked("no socket") }
        for piece in pieces {
            for target in [Endpoint.ssdpV4, Endpoint(device.address, 1900)] { queryPort.send(piece, to: target) }
            await pause(0.01)
        }
        await pause(1.3)
        let answers = queryPort.packets().filter { $0.source.address == device.address }.count
        let isThere = await context.isThere()
        return .all(
            [(answers == 0, "\(answers) answers"), (isThere, "a proper search is no longer answered")],
            "\(pieces.count) kinds, no answer, still there")
    }

    // MARK: - Addresses and ports

    private func unicast() async -> Outcome {
        let port = device.answer.message.number("SEARCHPORT.UPNP.ORG").map { UInt16(clamping: $0) } ?? 1900
        let search = SearchText("upnp:rootdevice") {
            $0.host = "\(device.address.urlHost):\(port)"
            $0.mx = nil
        }
        let answers = await context.ask(search, to: Endpoint(device.address, port), wait: 1.1)
        return .of(answers.count == 1, "port \(port): \(answers.count) answers within 1.1 s")
    }

    /// Searches at the same time from two query ports, one of them 1900, for different targets.
    private func addressed() async -> Outcome {
        async let one = context.ask(SearchText(device.udn), port: 1900)
        async let other = context.ask(SearchText("upnp:rootdevice"))
        let (first, second) = await (one, other)
        return .of(
            first.map { $0.message["ST"] } == [device.udn] && second.map { $0.message["ST"] } == ["upnp:rootdevice"],
            "asked from port 1900: \(first.count), from another: \(second.count) answers, each to its own question")
    }
}
