// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements M01, M02, M04, M05: how a service starts, judged from the messages received since the start.
struct MDNSStart: Sendable {
    let context: CheckContext
    let start: ContinuousClock.Instant

    func run() -> Outcomes {
        let requirements = ["M01", "M02", "M04", "M05"]
        guard let name = context.device.instance?.name else {
            return Dictionary(
                uniqueKeysWithValues: requirements.map { ($0, .notChecked("the node has no DNS-SD instance")) })
        }
        let received = context.link.dns(since: start).filter { $0.source.address.isV4 }
        let probes = received.filter { $0.packet.isProbe(for: name) }
        let said = received.filter { entry in
            entry.packet.isResponse
                && entry.packet.answers.contains { $0.name == name && $0.type == DNSKind.srv && $0.timeToLive > 0 }
        }
        let gaps = zip(probes, probes.dropFirst()).map { ($1.time - $0.time).milliseconds }
        let times = said.map { ($0.time - (said.first?.time ?? start)).milliseconds }
        return [
            "M01": .all(
                [
                    (probes.count == 3, "\(probes.count) probes"),
                    (gaps.allSatisfy { 150...450 ~= $0 }, "\(gaps) ms apart"),
                    (
                        probes.allSatisfy { probe in probe.packet.authority.contains { $0.name == name } },
                        "no proposed records"
                    ),
                    (
                        zip(probes.last.map { [$0] } ?? [], said).allSatisfy {
                            ($1.time - $0.time).milliseconds >= 150
                        },
                        "announced too soon after the last probe"
                    ),
                ], "3 probes, \(gaps) ms apart"),
            "M02": probes.isEmpty
                ? .fail("no probes")
                : .of(
                    probes.allSatisfy { $0.packet.questions.allSatisfy(\.wantsUnicast) }, "\(probes.count) probes"),
            "M04": .of(times.count >= 2 && times[1] >= 900, "announced after \(times) ms"),
            "M05": said.first.map { first in
                .of(first.time - start < .seconds(4), "usable \((first.time - start).milliseconds) ms after the start")
            } ?? .fail("never announced"),
        ]
    }
}

extension DNSPacket {
    /// Whether this is a probe: a query that proposes records for a name.
    func isProbe(for name: DNSLabels) -> Bool {
        !isResponse && questions.contains { $0.name == name && $0.type == DNSKind.any } && !authority.isEmpty
    }
}
