// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements that need the node's name, address or interface to change: A08, A15, B25, C09, M29, M30, X02, X04.
struct ChangeChecks: Sendable {
    let context: CheckContext

    private var link: TestLink { context.link }
    private var udn: String { context.device.udn }

    func run() async -> Outcomes {
        var outcomes = await renamed()
        outcomes.merge(await moved()) { $1 }
        return outcomes
    }

    private func description() async -> DeviceDescription? {
        let answer = await HTTPProbe.get(context.device.location)
        return try? DeviceDescription(answer.body, at: context.device.location)
    }

    private func instance() async -> DNSLabels? {
        guard let found = try? await DeviceUnderTest.instance(of: context.device.address, on: link, context.options)
        else {
            return nil
        }
        return found.name
    }

    // MARK: - The name

    private func renamed() async -> Outcomes {
        let requirements = ["A08", "C09", "X02"]
        guard context.hooks.has(.rename) else {
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .notChecked("needs the hook 'rename'")) })
        }
        var outcomes: Outcomes = [:]
        do {
            let start = ContinuousClock.now
            for number in 1...10 { try await context.hooks.run(.rename, name: "Change \(number)") }
            await pause(5)
            let rest = ContinuousClock.now
            await pause(3)
            let alive = link.announcements(since: start).filter {
                $0.message.udn == udn && $0.message.kind == "ssdp:alive" && $0.message["NT"] == "upnp:rootdevice"
            }
            let late = alive.filter { $0.time > rest }.count
            outcomes["A08"] = .all(
                [(alive.count <= 30, "\(alive.count) announcements"), (late <= 2, "\(late) of them late")],
                "10 changes, \(alive.count) announcements, \(late) of them later than 5 s")

            let odd = "A&B <ü> " + String(repeating: "☕", count: 30)
            try await context.hooks.run(.rename, name: odd)
            await pause(4)
            let (device, name) = (await description(), await instance())
            let friendly = device?.friendlyName ?? ""
            outcomes["C09"] = .all(
                [
                    (device != nil, "the description is not well formed"),
                    (friendly.hasPrefix("A&B <ü> ☕"), "friendlyName is '\(friendly)'"),
                    (friendly.count < 64, "friendlyName has \(friendly.count) characters"),
                ], "'\(friendly)'")
            if let name {
                outcomes["M29"] = .all(
                    [
                        (MDNSRecordChecks.isProper(name), "'\(name.first)' is not an instance name"),
                        (name.first.hasPrefix("A&B <ü> ☕"), "the instance is '\(name.first)'"),
                    ], "'\(name.first)', \(name.labels[0].count) bytes")
                outcomes["X02"] = .of(Self.agree(friendly, name.first), "'\(friendly)' and '\(name.first)'")
            } else {
                outcomes["X02"] = .notChecked("the node has no DNS-SD instance")
            }
            try await context.hooks.run(.rename, name: context.device.description.friendlyName)
            await pause(3)
        } catch {
            for requirement in requirements where outcomes[requirement] == nil {
                outcomes[requirement] = .notChecked(error.description)
            }
        }
        return outcomes
    }

    /// Whether two names agree: the protocols limit the length differently, so the shorter may be the beginning of the
    /// longer.
    static func agree(_ friendly: String, _ instance: String) -> Bool {
        friendly == instance || instance.utf8.count > 50 && friendly.hasPrefix(instance)
            || friendly.utf8.count > 50 && instance.hasPrefix(friendly)
    }

    // MARK: - The address

    private func moved() async -> Outcomes {
        let requirements = ["A15", "B25", "M30", "X04"]
        guard context.hooks.has(.readdr, .renic) else {
            return Dictionary(
                uniqueKeysWithValues: requirements.map { ($0, .notChecked("needs the hooks 'readdr' and 'renic'")) })
        }
        do {
            let start = ContinuousClock.now
            try await context.hooks.run(.readdr)
            await pause(3)
            let location = await answered()
            let mdns = try await DeviceUnderTest.instance(
                of: location?.endpoint.address ?? link.address, on: link, context.options)
            var outcomes = ["A15": updates(since: start)]
            let old = context.device.address
            let isNew = location.map { $0.endpoint.address != old } ?? false
            let ssdp = (isNew, "SSDP leads to \(location?.endpoint.address.description ?? "nowhere")")
            if let before = context.device.instance {
                let said =
                    mdns?.records.filter { $0.name == before.host }.compactMap { IPAddress(bytes: $0.data) } ?? []
                let told = link.dns(since: start).flatMap(\.packet.answers).contains {
                    $0.name == before.host && $0.type == DNSKind.a && $0.timeToLive > 0
                        && IPAddress(bytes: $0.data) != old
                }
                let isGone = !said.isEmpty && !said.contains(old)
                outcomes["M30"] = .all(
                    [(told, "not announced"), (isGone, "mDNS says \(said)")], "announced; mDNS says \(said)")
                outcomes["X04"] = .all([ssdp, (isGone, "mDNS says \(said)")], "both within 3 s")
            } else {
                outcomes["M30"] = .notChecked("the node has no DNS-SD instance")
                outcomes["X04"] = .all([ssdp], "SSDP within 3 s; no mDNS")
            }
            try await context.hooks.run(.renic)
            await pause(2.5)
            outcomes["B25"] = await reconnected()
            return outcomes
        } catch {
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .notChecked(error.description)) })
        }
    }

    /// The address of the node's description, from a search and a successful download, whatever address the node has
    /// now.
    private func answered() async -> WebAddress? {
        guard let queryPort = try? link.queryPort() else { return nil }
        for _ in 0..<2 {
            queryPort.send(SearchText(context.options.deviceType).text, to: .ssdpV4)
            await pause(1.1)
            let answers = queryPort.packets().compactMap(ReceivedMessage.init).filter { $0.message.udn == udn }
            if let location = answers.last?.message["LOCATION"].flatMap({ WebAddress($0) }),
                await HTTPProbe.get(location, timeout: .seconds(2)).status == 200
            {
                return location
            }
        }
        return nil
    }

    private func updates(since time: ContinuousClock.Instant) -> Outcome {
        let words = [Endpoint.ssdpLink, .ssdpSite].flatMap { link.announcements(to: $0, since: time) }.filter {
            $0.message.udn == udn
        }
        let before = [Endpoint.ssdpLink, .ssdpSite].flatMap { link.announcements(to: $0) }.contains {
            $0.message.udn == udn
        }
        guard before else { return .fail("the node has never spoken from an address that stays") }
        let updates = words.filter { $0.message.kind == "ssdp:update" }
        let right = updates.allSatisfy { update in
            guard let old = update.message.number("BOOTID.UPNP.ORG"),
                let new = update.message.number("NEXTBOOTID.UPNP.ORG")
            else { return false }
            return new > old
        }
        // After an update, the node must announce itself again with the new number on every group that it announced
        // itself on before.
        let next = updates.compactMap { $0.message.number("NEXTBOOTID.UPNP.ORG") }.max()
        let last = updates.map(\.time).max() ?? time
        let again = [Endpoint.ssdpLink, .ssdpSite].allSatisfy { group in
            let received = link.announcements(to: group, since: time).filter { $0.message.udn == udn }
            return !received.contains { $0.message.kind == "ssdp:update" }
                || received.contains {
                    $0.message.kind == "ssdp:alive" && $0.message.number("BOOTID.UPNP.ORG") == next
                        && $0.time < last + .seconds(3)
                }
        }
        return .all(
            [
                (!updates.isEmpty, "no ssdp:update"), (right, "NEXTBOOTID is missing or not higher"),
                (again, "not announced again with the new BOOTID"),
            ], "\(updates.count) updates over IPv6")
    }

    // MARK: - The link

    private func reconnected() async -> Outcome {
        let afterCard = await context.isThere()
        guard context.hooks.has(.cut, .mend) else { return .notChecked("needs the hooks 'renic', 'cut' and 'mend'") }
        do {
            try await context.hooks.run(.cut)
            await pause(1)
            try await context.hooks.run(.mend)
            await pause(1.5)
            let afterLink = await context.isThere()
            return .all(
                [
                    (afterLink, "silent after the link was down"),
                    (afterCard, "silent after the interface was created again"),
                ],
                "answers after both")
        } catch {
            return .notChecked(error.description)
        }
    }
}
