// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements M03, M06 to M08: names that other hosts have, or claim at the same time.
struct ConflictChecks: Sendable {
    let context: CheckContext
    let instance: DeviceUnderTest.Instance
    let querier: MDNSQuerier

    private var link: TestLink { context.link }
    private var hooks: HookRunner { context.hooks }
    private static let needed = Outcome.notChecked("needs the hooks 'stop' and 'start'")

    func run() async -> Outcomes {
        guard hooks.has(.stop, .start) else {
            return ["M03": Self.needed, "M06": Self.needed, "M07": Self.needed, "M08": await hostName()]
        }
        var outcomes: Outcomes = [:]
        do {
            outcomes["M03"] = try await simultaneous()
            outcomes["M06"] = try await taken()
            outcomes["M07"] = try await twin()
            try await restart()
            await pause(1.5)
        } catch {
            outcomes["M06"] = outcomes["M06"] ?? .notChecked(error.description)
        }
        outcomes["M08"] = await hostName()
        return outcomes
    }

    private func restart() async throws(CloudletError) {
        try await hooks.run(.stop)
        await pause(0.7)
        try await hooks.run(.start)
    }

    /// Receives messages for some seconds and sends the replies that `reaction` returns.
    private func watch(
        for seconds: Double, _ reaction: (ReceivedDNSMessage) -> DNSPacket?
    ) async -> [ReceivedDNSMessage] {
        let start = ContinuousClock.now
        var seen = 0
        for await _ in link.arrivals(for: .seconds(seconds)) {
            let received = link.dns(since: start).filter { $0.source.address == querier.node }
            for entry in received.dropFirst(seen) {
                if let answer = reaction(entry) { querier.socket.send(answer.bytes, to: .mdnsV4) }
            }
            seen = received.count
        }
        return link.dns(since: start).filter { $0.source.address == querier.node }
    }

    private func isAnnouncement(_ entry: ReceivedDNSMessage, of name: DNSLabels) -> Bool {
        entry.packet.isResponse
            && entry.packet.answers.contains { $0.name == name && $0.type == DNSKind.srv && $0.timeToLive > 0 }
    }

    /// Answers the node's probe with a simultaneous probe for the same name, whose records sort after or before the
    /// node's.
    private func simultaneous() async throws(CloudletError) -> Outcome {
        var results: [(Bool, String)] = []
        for wins in [true, false] {
            try await hooks.run(.stop)
            await pause(0.7)
            var ours: ContinuousClock.Instant?
            async let watching = watch(for: 3) { entry in
                guard ours == nil, entry.packet.isProbe(for: instance.name) else { return nil }
                ours = .now
                var packet = DNSPacket.query(instance.name, DNSKind.any)
                packet.authority = [DNSKind.srv, DNSKind.txt].map { type in
                    let byte: UInt8 = wins ? 0xFF : 0
                    let data =
                        type == DNSKind.txt
                        ? [1, byte] : [byte, byte, byte, byte, byte, byte] + DNSLabels("x.local").bytes
                    return DNSPacket.Record(
                        name: instance.name, type: type, isUnique: false, timeToLive: 120, data: data)
                }
                return packet
            }
            try await hooks.run(.start)
            let received = await watching
            let probes = received.filter { $0.packet.isProbe(for: instance.name) }
            guard let first = probes.first else { return .fail("the name was not probed") }
            let announced = received.first { isAnnouncement($0, of: instance.name) }
            let delay = announced.map { ($0.time - first.time).milliseconds }
            if wins {
                results.append(
                    (delay.map { $0 >= 1000 } ?? true, "did not yield: announced \(delay ?? 0) ms after the probe"))
            } else {
                results.append((delay.map { $0 <= 2500 } ?? false, "yielded to earlier records"))
            }
        }
        return .all(results, "yields to later records, not to earlier ones")
    }

    /// Answers every probe for the name with a record that shows that another host has it.
    private func taken() async throws(CloudletError) -> Outcome {
        try await hooks.run(.stop)
        await pause(0.7)
        async let watching = watch(for: 4.5) { entry in
            entry.packet.isProbe(for: instance.name) ? MDNSTalkChecks.claim(instance.name, port: 9) : nil
        }
        try await hooks.run(.start)
        let received = await watching
        let others = received.filter { $0.packet.isResponse }.flatMap(\.packet.answers).filter {
            $0.type == DNSKind.srv && $0.timeToLive > 0 && $0.name.parent == instance.name.parent
                && $0.name != instance.name
        }
        let kept = received.contains { isAnnouncement($0, of: instance.name) }
        return .all(
            [(!kept, "the name was used although it is taken"), (!others.isEmpty, "no other name was announced")],
            "'\(instance.name.first)' became '\(others.first?.name.first ?? "")'")
    }

    /// Publishes a service of the same name on the same host before the node starts.
    private func twin() async throws(CloudletError) -> Outcome {
        guard hooks.has(.twin, .untwin) else { return .notChecked("needs the hooks 'twin' and 'untwin'") }
        try await hooks.run(.stop)
        await pause(0.7)
        try await hooks.run(.twin, name: instance.name.first)
        await pause(1.5)
        try await hooks.run(.start)
        await pause(3)
        let answers = await context.resolve(instance.name.parent, DNSKind.ptr)
        let names = Set(
            answers.filter { $0.source.address == querier.node }.flatMap(\.packet.records).filter {
                $0.type == DNSKind.ptr
            }
            .compactMap { DNSLabels(wire: $0.data)?.first })
        try await hooks.run(.untwin)
        return .of(
            names.count == 2 && names.contains(instance.name.first),
            names.sorted().map { "'\($0)'" }.joined(separator: ", "))
    }

    /// Restarts the host's responder and makes it find its host name taken.
    private func hostName() async -> Outcome {
        guard hooks.has(.responder) else { return .notChecked("needs the hook 'responder'") }
        var claim = DNSPacket()
        claim.flags = 0x8400
        claim.answers = [
            DNSPacket.Record(
                name: instance.host, type: DNSKind.a, isUnique: true, timeToLive: 120, data: [192, 0, 2, 9])
        ]
        let conflict = claim
        async let watching = watch(for: 5) { $0.packet.isProbe(for: instance.host) ? conflict : nil }
        do {
            try await hooks.run(.responder)
            let received = await watching
            let others = received.filter { $0.packet.isResponse }.flatMap(\.packet.answers).filter {
                $0.type == DNSKind.a && $0.timeToLive > 0 && $0.name != instance.host
            }
            // Restart without the conflict, for the checks that follow.
            try await hooks.run(.responder)
            for _ in 0..<15 where try await DeviceUnderTest.instance(of: querier.node, on: link, context.options) == nil
            {}
            // A responder may send goodbyes only for records whose announcement it has completed.
            await pause(3.5)
            return .of(!others.isEmpty, "\(instance.host) became \(others.first?.name.description ?? "nothing else")")
        } catch {
            return .notChecked(error.description)
        }
    }
}
