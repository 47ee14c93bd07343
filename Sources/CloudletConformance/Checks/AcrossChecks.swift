// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletNetwork
import FoundationEssentials

/// Requirements A07, X01, X05, X06: both protocols together, finders, and repeated announcements.
struct AcrossChecks: Sendable {
    let context: CheckContext

    private var link: TestLink { context.link }

    func run() async -> Outcomes {
        [
            "X01": sameIdentity(), "X02": sameName(), "X05": await oneLine(), "X06": await hostileName(),
            "A07": await repeated(),
        ]
    }

    private func sameIdentity() -> Outcome {
        guard let instance = context.device.instance else { return .notChecked("the node has no DNS-SD instance") }
        let id = instance.value("id") ?? "missing"
        return .of(
            "uuid:\(id.lowercased())" == context.device.udn.lowercased(), "UDN \(context.device.udn), TXT id \(id)")
    }

    private func sameName() -> Outcome {
        guard let instance = context.device.instance else { return .notChecked("the node has no DNS-SD instance") }
        let friendly = context.device.description.friendlyName
        return .of(ChangeChecks.agree(friendly, instance.name.first), "'\(friendly)' and '\(instance.name.first)'")
    }

    private func oneLine() async -> Outcome {
        guard let finder = context.options.finder else { return .notChecked("needs --finder") }
        guard let text = try? await HookRunner.shell(finder) else { return .fail("the finder finds nothing") }
        let id = context.device.udn.dropFirst("uuid:".count)
        let count = text.split(separator: "\n").filter { $0.contains(id) }.count
        return .of(count == 1, "\(count) lines for \(id)")
    }

    /// Announces a false node with control sequences in its name: a finder may show the name, but must not print them
    /// unescaped.
    private func hostileName() async -> Outcome {
        guard let finder = context.options.finder else { return .notChecked("needs --finder") }
        let name = "\u{1B}]0;title\u{7}\u{1B}[31mred\u{1B}[2J\r\u{202E}<b>&\u{9B}5n"
        let id = UUID().uuidString.lowercased()
        guard let server = try? EventServer(at: link.address),
            let queryPort = try? link.queryPort(port: 5353, hops: 255)
        else { return .notChecked("no socket") }
        let escaped = name.unicodeScalars.map {
            $0.value < 0x20 ? "\\u00" + String($0.value + 256, radix: 16).suffix(2) : String($0)
        }
        let status =
            "{\"id\":\"\(id)\",\"name\":\"\(escaped.joined())\",\"api\":1,\"synthesis_port\":\(server.port),\"load\":0,"
            + "\"free_memory\":1,\"sessions\":0,\"features\":[],\"bases\":[]}"
        server.answer(with: status)
        let type = DNSLabels(context.options.serviceType + ".local")
        let instance = type.with(name)
        var packet = DNSPacket()
        packet.flags = 0x8400
        let (high, low) = (UInt8(server.port >> 8), UInt8(server.port & 0xFF))
        let host = DNSLabels("conformance-check.local")
        let strings = ["txtvers=1", "id=\(id)", "http=\(server.port)"].flatMap {
            [UInt8($0.utf8.count)] + Array($0.utf8)
        }
        packet.answers = [
            .init(name: type, type: DNSKind.ptr, isUnique: false, timeToLive: 10, data: instance.bytes),
            .init(
                name: instance, type: DNSKind.srv, isUnique: true, timeToLive: 10,
                data: [0, 0, 0, 0, high, low] + host.bytes),
            .init(name: instance, type: DNSKind.txt, isUnique: true, timeToLive: 10, data: strings),
            .init(name: host, type: DNSKind.a, isUnique: true, timeToLive: 10, data: link.address.bytes),
        ]
        let bytes = packet.bytes
        let talking = Task {
            while !Task.isCancelled {
                queryPort.send(bytes, to: .mdnsV4)
                let questions = link.dns().suffix(50).filter { !$0.packet.isResponse && $0.source.port != 5353 }
                for source in Set(questions.map(\.source)) where source.address.isV4 {
                    queryPort.send(bytes, to: source)
                }
                await pause(0.15)
            }
        }
        let text = (try? await HookRunner.shell(finder)) ?? ""
        talking.cancel()
        let controls = text.unicodeScalars.filter {
            ($0.value < 0x20 && $0 != "\n" && $0 != "\t") || 0x7F...0x9F ~= $0.value || 0x202A...0x202E ~= $0.value
        }
        let asked = server.received.count
        return .of(
            controls.isEmpty,
            "\(controls.count) control characters in the finder's output; "
                + (text.contains(id)
                    ? "it shows the false node" : asked > 0 ? "it asked the false node" : "it ignored the false node"))
    }

    /// Watches whether announcements are repeated.
    private func repeated() async -> Outcome {
        let life = context.device.answer.message.maximumAge ?? 0
        let watch = context.options.announcementWatch
        guard watch > .zero else {
            return .notChecked(
                "announcements are valid for \(life) s; --patience SECONDS, ideally \(life * 2), checks whether they are repeated"
            )
        }
        let start = ContinuousClock.now
        try? await Task.sleep(for: watch)
        let times = link.announcements(since: start).filter {
            $0.message.udn == context.device.udn && $0.message.kind == "ssdp:alive"
                && $0.message["NT"] == "upnp:rootdevice"
        }.map(\.time)
        // The copies of one set are a few hundred milliseconds apart.
        let sets = zip(times, [nil] + times.map(Optional.some)).filter { time, last in
            last.map { time - $0 > .seconds(1) } ?? true
        }.map(\.0)
        let gaps = zip(sets, sets.dropFirst()).map { ($1 - $0).seconds }
        guard gaps.count >= 3, let least = gaps.min(), let most = gaps.max() else {
            return .notChecked("\(sets.count) sets within \(watch.seconds) s are too few to judge")
        }
        return .all(
            [
                (most <= Double(life) / 2 + 1, "\(Int(most)) s apart although they are valid for \(life) s"),
                (most - least > 0.1 * most, "always \(Int(most)) s apart"),
            ],
            "\(sets.count) sets, \(Int(least * 10)) to \(Int(most * 10)) tenths of a second apart, valid for \(life) s")
    }
}
