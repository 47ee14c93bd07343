// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements M11, M12, M18, M20, M22 to M26, M28, M29: the content of the records and the form of answers.
struct MDNSRecordChecks: Sendable {
    let context: CheckContext
    let instance: DeviceUnderTest.Instance
    let querier: MDNSQuerier

    private var type: DNSLabels { DNSLabels(context.options.serviceType + ".local") }

    func run() async -> Outcomes {
        var outcomes: Outcomes = [:]
        let answer = await querier.multicast(type, DNSKind.ptr, wanting: { $0.data == instance.name.bytes })
        outcomes.merge(records(answer)) { $1 }
        outcomes["M18"] = await legacy()
        outcomes["M20"] = await header(answer)
        outcomes["M22"] = await negative()
        let list = await querier.multicast(DNSLabels("_services._dns-sd._udp.local"), DNSKind.ptr) {
            $0.data == type.bytes
        }
        outcomes["M24"] = .of(list != nil, list == nil ? "\(type) is not in the list" : "\(type) is in the list")
        outcomes["M25"] = await subtypes()
        outcomes["M26"] = text()
        outcomes["M28"] = Self.isProper(context.options.serviceType)
        outcomes["M29"] = .of(Self.isProper(instance.name), "'\(instance.name.first)'")
        return outcomes
    }

    private func records(_ answer: ReceivedDNSMessage?) -> Outcomes {
        let requirements = ["M11", "M12", "M23"]
        guard let records = answer?.packet.records else {
            return Dictionary(
                uniqueKeysWithValues: requirements.map { ($0, .fail("no answer to a question for \(type)")) })
        }
        let own = records.filter { [instance.name, instance.host, type].contains($0.name) }
        let unique = own.filter { $0.type != DNSKind.ptr }
        let hostKinds = [DNSKind.a, DNSKind.aaaa, DNSKind.srv]
        let kinds = Set(unique.map(\.type))
        return [
            "M11": .all(
                own.map { ($0.isUnique == ($0.type != DNSKind.ptr), "type \($0.type): cache-flush is \($0.isUnique)") },
                "\(own.count) records"),
            "M12": .all(
                own.map { record in
                    let life: UInt32 = hostKinds.contains(record.type) ? 120 : 4500
                    return (record.timeToLive == life, "type \(record.type) lives \(record.timeToLive) s")
                }, "120 s and 4500 s"),
            "M23": .of(
                kinds.isSuperset(of: [DNSKind.srv, DNSKind.txt]) && !kinds.isDisjoint(with: [DNSKind.a, DNSKind.aaaa]),
                "with records of the types \(kinds.sorted())"),
        ]
    }

    private func legacy() async -> Outcome {
        guard let socket = try? context.link.queryPort(hops: 255) else { return .notChecked("no socket") }
        var query = DNSPacket.query(type, DNSKind.ptr)
        query.id = 0x5A5A
        socket.send(query.bytes, to: .mdnsV4)
        await pause(0.6)
        let answers = socket.packets().compactMap(ReceivedDNSMessage.init).filter {
            $0.source.address == context.device.address
        }
        guard let packet = answers.first?.packet else { return .fail("no unicast answer") }
        return .all(
            [
                (packet.id == 0x5A5A, "the id is \(packet.id)"),
                (packet.questions == query.questions, "the question is not repeated"),
                (packet.records.allSatisfy { $0.timeToLive <= 10 }, "lives longer than 10 s"),
                (packet.records.allSatisfy { !$0.isUnique }, "cache-flush is set"),
            ], "\(packet.records.count) records")
    }

    private func header(_ answer: ReceivedDNSMessage?) async -> Outcome {
        guard let answer else { return .fail("no answer") }
        var query = DNSPacket.query(type, DNSKind.ptr)
        query.flags = 0x2800
        let start = ContinuousClock.now
        await pause(1.1)
        querier.socket.send(query.bytes, to: .mdnsV4)
        await pause(0.5)
        let others = querier.answers(since: start).filter {
            $0.packet.records.contains { $0.data == instance.name.bytes }
        }
        return .all(
            [
                (answer.hops == 255, "TTL \(answer.hops)"), (answer.packet.id == 0, "id \(answer.packet.id)"),
                (others.isEmpty, "opcode 5 was answered"),
            ], "TTL 255, id 0, opcode 5 ignored")
    }

    /// Asks for an address of the instance, which has none.
    private func negative() async -> Outcome {
        let answer = await querier.multicast(instance.name, DNSKind.a) {
            $0.type == DNSKind.nsec && $0.name == instance.name
        }
        return .of(answer != nil, answer == nil ? "no NSEC for the instance" : "NSEC")
    }

    private func subtypes() async -> Outcome {
        guard let word = instance.subtypes.first else {
            return .notChecked("the TXT record names no features or base VMs to search for")
        }
        let subtype = type.with("_sub").with(word)
        let answer = await querier.multicast(subtype, DNSKind.ptr) { $0.data == instance.name.bytes }
        return .of(answer != nil, "\(subtype)\(answer == nil ? " is not answered" : "")")
    }

    private func text() -> Outcome {
        let strings = instance.txt
        let keys = strings.map { String(decoding: $0.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self) }
        let total = strings.reduce(0) { $0 + $1.count + 1 }
        return .all(
            [
                (keys.first == "txtvers", "txtvers is not first"),
                (total <= 400, "\(total) bytes"),
                (Set(keys.map { $0.lowercased() }).count == keys.count, "a key occurs twice"),
            ]
                + keys.map { key in
                    (
                        1...9 ~= key.utf8.count && key.utf8.allSatisfy { 0x20...0x7E ~= $0 && $0 != 0x3D },
                        "the key '\(key)'"
                    )
                }, "\(strings.count) strings, \(total) bytes: \(keys.joined(separator: ", "))")
    }

    /// Whether a service type is valid (RFC 6335 §5.1, RFC 6763 §7).
    static func isProper(_ type: String) -> Outcome {
        let labels = type.split(separator: ".")
        let name = (labels.first ?? "").dropFirst()
        let letters = name.utf8.allSatisfy { byte in
            0x61...0x7A ~= byte | 0x20 || 0x30...0x39 ~= byte || byte == UInt8(ascii: "-")
        }
        return .all(
            [
                (labels.count == 2 && ["_tcp", "_udp"].contains(labels.last), "no _tcp or _udp"),
                (labels.first?.first == "_", "the name does not begin with _"),
                (1...15 ~= name.utf8.count, "\(name.utf8.count) characters"), (letters, "invalid characters"),
                (name.first != "-" && name.last != "-" && !name.contains("--"), "misplaced hyphens"),
            ], type)
    }

    /// Whether an instance name is valid (RFC 6763 §4.1.1).
    static func isProper(_ instance: DNSLabels) -> Bool {
        guard let label = instance.labels.first, 1...63 ~= label.count else { return false }
        return String(validating: label, as: UTF8.self) != nil && label.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
