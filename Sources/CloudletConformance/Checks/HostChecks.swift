// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements about other programs on the node's host, and about the node's end: A18, B24, M27, M32, M35.
struct HostChecks: Sendable {
    let context: CheckContext

    private var link: TestLink { context.link }

    func run() async -> Outcomes {
        await context.revive()
        var outcomes = await neighbours()
        outcomes["A18"] = await sixth()
        outcomes["M35"] = await attack()
        outcomes["M27"] = await vanished()
        return outcomes
    }

    private func isResolvable() async -> Bool {
        for _ in 0..<5 {
            if (try? await DeviceUnderTest.instance(of: context.device.address, on: link, context.options)) != nil {
                return true
            }
        }
        return false
    }

    private func neighbours() async -> Outcomes {
        guard context.hooks.has(.neighbour) else {
            let missing = Outcome.notChecked("needs the hook 'neighbour'")
            return ["B24": missing, "M32": missing]
        }
        do { try await context.hooks.run(.neighbour) } catch {
            let missing = Outcome.notChecked(error.description)
            return ["B24": missing, "M32": missing]
        }
        await pause(1)
        let type = SearchText(context.options.deviceType)
        let node = context.device.address
        let unicast = SearchText(context.options.deviceType) {
            $0.host = "\(node.urlHost):1900"
            $0.mx = nil
        }
        let multicast = await context.ask(type).count
        let direct = await context.ask(unicast, to: Endpoint(node, 1900)).count
        return [
            "B24": .all(
                [(multicast == 1, "\(multicast) answers to multicast"), (direct == 1, "\(direct) answers to unicast")],
                "both kinds of searches are answered beside another program"),
            "M32": context.device.instance == nil
                ? .notChecked("the node has no DNS-SD instance")
                : .of(await isResolvable(), "asked while another responder runs on the host"),
        ]
    }

    // MARK: - IPv6

    private func sixth() async -> Outcome {
        guard link.linkLocal != nil else {
            return .notChecked("this host has no IPv6 address on \(link.interface.name)")
        }
        let groups: [(Endpoint, String)] = [(.ssdpLink, "[FF02::C]:1900"), (.ssdpSite, "[FF05::C]:1900")]
        var conditions: [(Bool, String)] = []
        var announced = 0
        for (group, host) in groups {
            let search = SearchText("upnp:rootdevice") { $0.host = host }
            guard let queryPort = try? link.queryPort(v6: true) else { return .notChecked("no IPv6 socket") }
            queryPort.send(search.text, to: Endpoint(group.address, group.port, on: link.interface.index))
            await pause(1.3)
            let answers = queryPort.packets().compactMap(ReceivedMessage.init).filter {
                $0.message.udn == context.device.udn
            }
            conditions.append((answers.count == 1, "\(answers.count) answers at \(host)"))
            let words = link.announcements(to: group).filter { $0.message.udn == context.device.udn }
            announced += words.count
            conditions.append(
                (words.allSatisfy { $0.message["HOST"]?.uppercased() == host }, "a wrong HOST at \(host)"))
            for text in Set((answers + words).compactMap { $0.message["LOCATION"] }) {
                conditions.append((text.hasPrefix("http://[") && !text.contains("%"), "LOCATION '\(text)' at \(host)"))
            }
        }
        let isSilent = announced == 0 && conditions.contains { !$0.0 }
        if isSilent, await !hasIPv6() { return .notChecked("the node's host shows no IPv6 address") }
        return .all(conditions, "both groups answered, \(announced) announcements")
    }

    /// Whether the node's host answers at the link-local address that is derived from its Ethernet address.
    private func hasIPv6() async -> Bool {
        let table = (try? await HookRunner.shell("cat /proc/net/arp")) ?? ""
        let row = table.split(separator: "\n").first { $0.hasPrefix("\(context.device.address) ") }
        let bytes = row?.split(separator: " ").dropFirst(3).first?.split(separator: ":").compactMap {
            UInt8($0, radix: 16)
        }
        guard let mac = bytes, mac.count == 6 else { return false }
        let words = [
            UInt16(mac[0] ^ 2) << 8 | UInt16(mac[1]), UInt16(mac[2]) << 8 | 0xFF, 0xFE00 | UInt16(mac[3]),
            UInt16(mac[4]) << 8 | UInt16(mac[5]),
        ]
        let text = "fe80::" + words.map { String($0, radix: 16) }.joined(separator: ":")
        guard let address = IPAddress(text) else { return false }
        // A refusal arrives at once and also shows that the host answers.
        let answer = await HTTPProbe.ask(Endpoint(address, 9, on: link.interface.index), [], timeout: .seconds(2))
        return answer.isConnected || answer.time < .seconds(1)
    }

    // MARK: - Attack and power cut

    private func attack() async -> Outcome {
        guard context.hooks.has(.attack), context.device.instance != nil else {
            return .notChecked("needs the hook 'attack' on the node's host, and a DNS-SD instance")
        }
        _ = try? await context.hooks.run(.attack)
        await pause(1)
        return .of(await isResolvable(), "the responder was attacked as an unprivileged user")
    }

    private func vanished() async -> Outcome {
        guard context.hooks.has(.cut, .mend), let finder = context.options.finder else {
            return .notChecked("needs --finder and the hooks 'cut' and 'mend'")
        }
        do {
            let id = context.device.udn.dropFirst("uuid:".count)
            let before = try await HookRunner.shell(finder)
            try await context.hooks.run(.cut)
            await pause(0.5)
            // A finder that finds nothing may report it by its exit status.
            let after = (try? await HookRunner.shell(finder)) ?? ""
            try await context.hooks.run(.mend)
            await pause(2)
            return .all(
                [
                    (before.contains(id), "the finder does not show the node while it runs"),
                    (!after.contains(id), "the finder shows the node after its cable was unplugged"),
                ], "the finder shows the node, and no longer shows it when its cable is unplugged")
        } catch {
            return .notChecked(error.description)
        }
    }
}
