// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements M09, M13 to M17, M19, M21, M33, M34: the times of answers, and the effects of bad packets.
struct MDNSTalkChecks: Sendable {
    let context: CheckContext
    let instance: DeviceUnderTest.Instance
    let querier: MDNSQuerier

    private var type: DNSLabels { DNSLabels(context.options.serviceType + ".local") }
    private func isPointer(_ record: DNSPacket.Record) -> Bool { record.data == instance.name.bytes }

    func run() async -> Outcomes {
        var outcomes: Outcomes = [:]
        outcomes["M13"] = await knownAnswer(life: 4500)
        outcomes["M14"] = await knownAnswer(life: 100)
        outcomes["M15"] = await delays()
        outcomes["M16"] = await rate()
        outcomes["M17"] = await unicastAnswer()
        outcomes["M19"] = await unicastQuestion()
        outcomes["M21"] = await offLink()
        outcomes["M09"] = await defence()
        outcomes["M33"] = await malformed()
        outcomes["M34"] = await circles()
        return outcomes
    }

    private func knownAnswer(life: UInt32) async -> Outcome {
        var query = DNSPacket.query(type, DNSKind.ptr)
        query.answers = [
            DNSPacket.Record(
                name: type, type: DNSKind.ptr, isUnique: false, timeToLive: life, data: instance.name.bytes)
        ]
        let count = await querier.reaction(query, wanting: isPointer).count
        return .of((count == 0) == (life >= 2250), "\(count) answers to a querier that knows the record for \(life) s")
    }

    private func delays() async -> Outcome {
        let shared = await querier.reaction(.query(type, DNSKind.ptr), wanting: isPointer).delay
        let unique = await querier.reaction(.query(instance.name, DNSKind.srv)) { $0.type == DNSKind.srv }.delay
        return .all(
            [
                (shared.map { 15...300 ~= $0 } ?? false, "shared after \(shared.map(String.init) ?? "no") ms"),
                (unique.map { $0 < 120 } ?? false, "unique after \(unique.map(String.init) ?? "no") ms"),
            ], "shared after \(shared ?? 0) ms, unique after \(unique ?? 0) ms")
    }

    private func rate() async -> Outcome {
        await pause(1.1)
        let start = ContinuousClock.now
        for _ in 0..<20 {
            querier.socket.send(DNSPacket.query(type, DNSKind.ptr).bytes, to: .mdnsV4)
            await pause(0.045)
        }
        await pause(0.3)
        let count = querier.answers(since: start).filter { $0.packet.records.contains(where: isPointer) }.count
        return .of(1...2 ~= count, "\(count) answers to 20 questions within a second")
    }

    private func unicastAnswer() async -> Outcome {
        // Makes the node multicast the records just before: otherwise it may answer by multicast (RFC 6762 §5.4).
        _ = await querier.multicast(type, DNSKind.ptr, wanting: isPointer)
        let start = ContinuousClock.now
        querier.socket.send(DNSPacket.query(type, DNSKind.ptr, unicast: true).bytes, to: .mdnsV4)
        await pause(0.6)
        let own = querier.socket.packets(since: start).compactMap(ReceivedDNSMessage.init).filter {
            $0.source.address == context.device.address && $0.packet.records.contains(where: isPointer)
        }.count
        return .of(own > 0, own > 0 ? "by unicast" : "not by unicast")
    }

    private func unicastQuestion() async -> Outcome {
        guard let socket = try? context.link.queryPort(hops: 255) else { return .notChecked("no socket") }
        let start = ContinuousClock.now
        socket.send(DNSPacket.query(type, DNSKind.ptr).bytes, to: Endpoint(context.device.address, 5353))
        await pause(0.8)
        let direct = socket.packets().compactMap(ReceivedDNSMessage.init).count
        let others = querier.answers(since: start).count
        return .of(direct + others > 0, "\(direct) answers by unicast, \(others) by multicast")
    }

    private func offLink() async -> Outcome {
        let socket: RecordingSocket
        do {
            let source = try await context.offLinkSource()
            socket = try context.link.queryPort(from: source, hops: 255)
        } catch {
            return .notChecked(error.message)
        }
        // Only a unicast query is tested: a packet to the group has crossed no router, whatever its source address is
        // (RFC 6762 §11).
        let start = ContinuousClock.now
        socket.send(DNSPacket.query(type, DNSKind.ptr).bytes, to: Endpoint(context.device.address, 5353))
        await pause(0.8)
        let count = socket.packets().filter { $0.source.address == context.device.address }.count
        let others = querier.answers(since: start).filter { $0.packet.records.contains(where: isPointer) }.count
        return .of(count + others == 0, "\(count) answers by unicast, \(others) by multicast")
    }

    /// Claims the name for another host: the node must show that the name is taken, by a record or by a new probe.
    private func defence() async -> Outcome {
        await pause(1.1)
        let start = ContinuousClock.now
        querier.socket.send(Self.claim(instance.name, port: 9).bytes, to: .mdnsV4)
        await pause(2.2)
        let received = context.link.dns(since: start).filter { $0.source.address == context.device.address }
        let reacted = received.contains { entry in
            entry.packet.isProbe(for: instance.name)
                || entry.packet.records.contains { $0.name == instance.name && $0.type == DNSKind.srv }
        }
        let now = try? await DeviceUnderTest.instance(of: context.device.address, on: context.link, context.options)
        return .all(
            [
                (reacted, "no reaction to a false claim"),
                (now?.name == instance.name, "the name is now '\(now?.name.first ?? "gone")'"),
            ], "the node claimed the name again and kept it")
    }

    /// Creates a response that assigns a name to another host.
    static func claim(_ name: DNSLabels, port: UInt8) -> DNSPacket {
        var packet = DNSPacket()
        packet.flags = 0x8400
        packet.answers = [
            DNSPacket.Record(
                name: name, type: DNSKind.srv, isUnique: true, timeToLive: 120,
                data: [0, 0, 0, 0, 0, port] + DNSLabels("conformance-check.local").bytes)
        ]
        return packet
    }

    private func isAnswering() async -> Bool {
        await querier.multicast(type, DNSKind.ptr, tries: 3, wanting: isPointer) != nil
    }

    private func malformed() async -> Outcome {
        let head: [UInt8] = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        let pieces: [[UInt8]] = [
            [], [0], head, head + [0xC0, 0x0C], head + [0xC0, 0x0C, 0, 12, 0, 1],
            head + [63] + [UInt8](repeating: 97, count: 20),
            [0, 0, 0x84, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0], head + [0xFF, 0xFF, 0, 12, 0, 1],
            [UInt8](repeating: 0xFF, count: 8000), (0..<500).map { UInt8(truncatingIfNeeded: $0 &* 7919) },
        ]
        for piece in pieces {
            for target in [Endpoint.mdnsV4, Endpoint(context.device.address, 5353)] {
                querier.socket.send(piece, to: target)
            }
            await pause(0.01)
        }
        return .of(await isAnswering(), "\(pieces.count) kinds of malformed packets")
    }

    private func circles() async -> Outcome {
        var packet = DNSPacket()
        packet.flags = 0x8400
        let (one, other) = (DNSLabels("circle-a.local"), DNSLabels("circle-b.local"))
        packet.answers = [(one, other), (other, one), (instance.host.parent.with("circle-c"), one)].map { from, to in
            DNSPacket.Record(name: from, type: DNSKind.cname, isUnique: true, timeToLive: 120, data: to.bytes)
        }
        for _ in 0..<5 {
            querier.socket.send(packet.bytes, to: .mdnsV4)
            await pause(0.05)
        }
        return .of(await isAnswering(), "the responder answers after a loop of CNAMEs")
    }
}
