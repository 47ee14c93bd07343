// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements for which the node is stopped and started: A01 to A14, A18, C03, M01 to M05, M10, X03.
struct LifeChecks: Sendable {
    let context: CheckContext
    /// The link to a second network of the node, where its start is recorded as well.
    let second: TestLink?
    let quiet: TestLink?

    private var link: TestLink { context.link }
    private var udn: String { context.device.udn }
    private static let needed = "needs the hooks 'stop' and 'start'"

    func run() async -> Outcomes {
        let requirements = [
            "A01", "A02", "A03", "A04", "A05", "A06", "A09", "A10", "A11", "A14", "A17", "C03", "M01", "M02", "M04",
            "M05",
            "M10", "X03",
        ]
        guard context.hooks.has(.stop, .start) else {
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .notChecked(Self.needed)) })
        }
        do {
            var outcomes = try await leave()
            let start = ContinuousClock.now
            try await context.hooks.run(.start)
            await pause(6.5)
            outcomes.merge(AnnouncementChecks(context.device, received(since: start)).run()) { $1 }
            outcomes["A09"] = await locations(since: start)
            outcomes.merge(MDNSStart(context: context, start: start).run()) { $1 }
            outcomes.merge(NetworksChecks(context: context, second: second, quiet: quiet).received(since: start)) { $1 }
            outcomes.merge(try await crash(outcomes["M10"])) { $1 }
            return outcomes
        } catch {
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .notChecked(error.description)) })
        }
    }

    private func received(since time: ContinuousClock.Instant) -> [Endpoint: [ReceivedMessage]] {
        Dictionary(
            uniqueKeysWithValues: [Endpoint.ssdpV4, .ssdpLink, .ssdpSite].map {
                ($0, link.announcements(to: $0, since: time))
            })
    }

    // MARK: - Leaving

    private func leave() async throws(CloudletError) -> Outcomes {
        let end = ContinuousClock.now
        try await context.hooks.run(.stop)
        await pause(2)
        let words = link.announcements(since: end).filter { $0.message.kind == "ssdp:byebye" && $0.message.udn == udn }
        let taken = Set(words.compactMap { $0.message["NT"] })
        let left = context.device.description.targets.keys.filter { !taken.contains($0) }
        let goodbye = goodbyes(since: end)
        let answers = await context.ask(SearchText(context.options.deviceType), wait: 1.2)
        return [
            "A11": .of(
                left.isEmpty, left.isEmpty ? "\(words.count) byebyes" : "left: \(left.sorted().joined(separator: ", "))"
            ),
            "M10": goodbye ?? .notChecked("the node has no DNS-SD instance"),
            "X03": .all(
                [
                    (left.isEmpty, "the SSDP announcements were not revoked"),
                    (answers.isEmpty, "searches are still answered"),
                    (goodbye?.verdict != .fail, "the mDNS records were not revoked"),
                ], goodbye == nil ? "SSDP within 2 s; no mDNS" : "both within 2 s"),
        ]
    }

    /// Whether the instance was withdrawn by records with a TTL of 0.
    private func goodbyes(since time: ContinuousClock.Instant) -> Outcome? {
        guard let instance = context.device.instance else { return nil }
        let records = link.dns(since: time).flatMap(\.packet.answers).filter {
            $0.timeToLive == 0 && ($0.name == instance.name || DNSLabels(wire: $0.data) == instance.name)
        }
        let kinds = Set(records.map(\.type))
        return .of(
            kinds.contains(DNSKind.ptr), kinds.isEmpty ? "no goodbye" : "goodbye for \(kinds.count) kinds of records")
    }

    // MARK: - Crashing

    private func crash(_ clean: Outcome?) async throws(CloudletError) -> Outcomes {
        guard context.hooks.has(.kill) else {
            let missing = Outcome.notChecked("needs the hook 'kill'")
            return ["A12": missing, "A13": missing]
        }
        let before = link.announcements().compactMap {
            $0.message.udn == udn ? $0.message.number("BOOTID.UPNP.ORG") : nil
        }
        let end = ContinuousClock.now
        try await context.hooks.run(.kill)
        await pause(1.5)
        let answers = await context.ask(SearchText(context.options.deviceType), wait: 1.2)
        var outcomes: Outcomes = [:]
        if let clean, clean.verdict == .pass, let killed = goodbyes(since: end) {
            outcomes["M10"] =
                killed.verdict == .pass ? .pass("\(clean.evidence), also when killed") : .fail("none when killed")
        }
        let start = ContinuousClock.now
        try await context.hooks.run(.start)
        await pause(3)
        let words = link.announcements(since: start).filter { $0.message.udn == udn }
        let alive = words.filter { $0.message.kind == "ssdp:alive" }
        outcomes["A12"] = .all(
            [
                (answers.isEmpty, "it answers although it was killed"),
                (alive.allSatisfy { ($0.message.maximumAge ?? 0) > 0 }, "the announcements have no max-age"),
                (!alive.isEmpty, "the restart was not announced"),
            ], "expired after \(alive.first?.message.maximumAge ?? 0) s at the latest, announced again")
        let firstAlive = alive.first?.time ?? .now
        let flushed = Set(
            words.filter { $0.message.kind == "ssdp:byebye" && $0.time < firstAlive }.compactMap { $0.message["NT"] })
        outcomes["A13"] = .of(
            flushed.count == context.device.description.targets.count,
            "\(flushed.count) targets revoked before the first alive")
        let again = try await DeviceUnderTest.find(on: link, context.options)
        outcomes["C03"] = .of(again.udn == udn, "\(udn), then \(again.udn)")
        if let last = before.max(), let now = alive.first?.message.number("BOOTID.UPNP.ORG"), now <= last {
            outcomes["A14"] = .fail("BOOTID was \(last), is \(now) after a restart")
        }
        return outcomes
    }

    // MARK: - Locations

    /// Downloads the description from every LOCATION that was announced.
    private func locations(since time: ContinuousClock.Instant) async -> Outcome {
        var conditions: [(Bool, String)] = []
        var count = 0
        for (group, words) in received(since: time) {
            let alive = words.filter { $0.message.udn == udn && $0.message.kind == "ssdp:alive" }
            for text in Set(alive.map { $0.message["LOCATION"] ?? "" }) {
                count += 1
                guard let address = WebAddress(text, on: link.interface.index) else {
                    conditions.append((false, "'\(text)' is not a URL"))
                    continue
                }
                let answer = await HTTPProbe.get(address, timeout: .seconds(2))
                conditions.append((address.endpoint.address.isV4 == group.address.isV4, "\(text) at \(group.address)"))
                conditions.append((answer.status == 200, "\(text): status \(answer.status)"))
            }
        }
        return count == 0 ? .fail("no LOCATION") : .all(conditions, "\(count) addresses")
    }
}
