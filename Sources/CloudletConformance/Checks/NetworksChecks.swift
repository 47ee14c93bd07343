// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements A19, A20, B23, M31: announcements and answers on each of several networks.
struct NetworksChecks: Sendable {
    let context: CheckContext
    let second: TestLink?
    let quiet: TestLink?

    private static let needsSecond = Outcome.notChecked(
        "needs --second: an interface of this host to a second network of the node")

    private func isRight(_ location: String?, on link: TestLink) -> Bool {
        guard let address = location.flatMap({ WebAddress($0) }) else { return false }
        return link.contains(address.endpoint.address)
    }

    /// The requirements that can be judged from the announcements of a start.
    func received(since start: ContinuousClock.Instant) -> Outcomes {
        var outcomes: Outcomes = [:]
        if let second {
            let both = [context.link, second].map { link in
                link.announcements(since: start).filter {
                    $0.message.udn == context.device.udn && $0.message.kind == "ssdp:alive"
                }.map { isRight($0.message["LOCATION"], on: link) }
            }
            outcomes["A19"] = .all(
                both.enumerated().flatMap { index, rights in
                    [
                        (!rights.isEmpty, "nothing was announced on network \(index + 1)"),
                        (rights.allSatisfy { $0 }, "a LOCATION on network \(index + 1) belongs elsewhere"),
                    ]
                }, "\(both[0].count) and \(both[1].count) announcements")
        } else {
            outcomes["A19"] = Self.needsSecond
        }
        if let quiet {
            let count = quiet.announcements(since: start).filter { $0.message.udn == context.device.udn }.count
            outcomes["A20"] = .of(count == 0, "\(count) announcements on \(quiet.interface.name)")
        }
        return outcomes
    }

    /// The requirements that need searches.
    func ask() async -> Outcomes {
        var outcomes: Outcomes = [:]
        if let second {
            let search = SearchText(context.options.deviceType)
            var conditions: [(Bool, String)] = []
            for link in [context.link, second] {
                guard let queryPort = try? link.queryPort() else { continue }
                queryPort.send(search.text, to: .ssdpV4)
                await pause(1.3)
                let answers = queryPort.packets().compactMap(ReceivedMessage.init).filter {
                    $0.message.udn == context.device.udn
                }
                conditions.append((answers.count == 1, "\(answers.count) answers on \(link.interface.name)"))
                conditions.append(
                    (
                        answers.allSatisfy { isRight($0.message["LOCATION"], on: link) },
                        "a LOCATION on \(link.interface.name) belongs elsewhere"
                    ))
            }
            outcomes["B23"] = .all(conditions, "each network with its own LOCATION")
            outcomes["M31"] = await addresses(on: second)
        } else {
            (outcomes["B23"], outcomes["M31"]) = (Self.needsSecond, Self.needsSecond)
        }
        if let quiet, let queryPort = try? quiet.queryPort() {
            queryPort.send(SearchText(context.options.deviceType).text, to: .ssdpV4)
            await pause(1.3)
            let count = queryPort.packets().count
            outcomes["A20"] = .of(count == 0, "\(count) answers on \(quiet.interface.name)")
        } else {
            outcomes["A20"] = .notChecked(
                "needs --quiet: an interface to a network on which the node should not announce itself")
        }
        return outcomes
    }

    private func addresses(on second: TestLink) async -> Outcome {
        guard let instance = context.device.instance else { return .notChecked("the node has no DNS-SD instance") }
        var conditions: [(Bool, String)] = []
        for link in [context.link, second] {
            guard let queryPort = try? link.queryPort(hops: 255) else { continue }
            queryPort.send(DNSPacket.query(instance.host, DNSKind.a).bytes, to: .mdnsV4)
            await pause(0.6)
            let records = queryPort.packets().compactMap(ReceivedDNSMessage.init).flatMap(\.packet.records).filter {
                $0.type == DNSKind.a && $0.name == instance.host
            }
            let addresses = records.compactMap { IPAddress(bytes: $0.data) }
            conditions.append((!addresses.isEmpty, "no address on \(link.interface.name)"))
            conditions.append(
                (
                    addresses.allSatisfy(link.contains),
                    "\(addresses) on \(link.interface.name)"
                ))
        }
        return .all(conditions, "each network with its own address")
    }
}
