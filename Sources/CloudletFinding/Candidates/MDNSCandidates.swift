// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork

/// Collects the mDNS records that hosts publish about nodes and turns them into candidates. Its size is bounded as that
/// of `FairTable`.
struct MDNSCandidates: Sendable {
    /// The service types that a search asks for.
    static let types = [MDNSPublication.type, MDNSPublication.oldType].map { DNSName(dotted: "\($0).local") }
    /// The largest number of addresses of one host.
    static let maximumAddresses = 32
    /// The largest number of hosts whose addresses are still unknown.
    private static let maximumAwaited = 256

    private struct Instance: Sendable {
        var host: DNSName?
        var port: UInt16 = 0
        var text: [[UInt8]]?
    }

    private var instances = FairTable<Instance> { $0.host != nil && $0.text != nil }
    private var hosts = FairTable<[IPAddress]> { !$0.isEmpty }
    /// The instances on hosts whose addresses are still unknown, by host.
    private var awaited: [DNSName: Set<DNSName>] = [:]

    init() {}

    /// The number of names kept.
    var count: Int { instances.count + hosts.count }

    /// The first query (RFC 6762 §5.1, §5.4): which instances of the service are there?
    static var query: DNSMessage {
        var message = DNSMessage()
        message.questions = types.map { DNSQuestion(name: $0, type: DNSType.ptr, wantsUnicast: true) }
        return message
    }

    /// Adds the records of a response received on `interface`.
    /// - Returns: the candidates it completes, and the questions to ask next.
    mutating func take(
        _ message: DNSMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> (candidates: [Candidate], questions: [DNSQuestion]) {
        guard message.isResponse else { return ([], []) }
        var touched: Set<DNSName> = []
        var gone: [Candidate] = []
        for record in message.records {
            let isGoodbye = record.timeToLive == 0
            switch record.data {
            case .pointer(let instance) where Self.types.contains(record.name) && instance.parent == record.name:
                touched.insert(instance)
                if isGoodbye, let known = instances.remove(instance) {
                    let id = known.text.flatMap { NodeID(Self.value("id", in: $0) ?? "") }
                    gone.append(Candidate(origin: .mdns, id: id, isGoodbye: true, source: source))
                } else if !isGoodbye {
                    edit(instance, source) { _ in }
                }
            case .service(let host, let port) where Self.types.contains(record.name.parent) && !isGoodbye:
                touched.insert(record.name)
                edit(record.name, source) { ($0.host, $0.port) = (host, port) }
            case .text(let strings) where Self.types.contains(record.name.parent) && !isGoodbye:
                touched.insert(record.name)
                edit(record.name, source) { $0.text = strings }
            case .address(let address):
                edit(record.name, source, address, isGoodbye)
                touched.formUnion(awaited.removeValue(forKey: record.name) ?? [])
            default: break
            }
        }
        var questions: [DNSQuestion] = []
        var candidates: [Candidate] = []
        for name in touched {
            guard let instance = instances[name] else { continue }
            guard let host = instance.host, instance.text != nil else {
                questions += [DNSType.srv, DNSType.txt].map { DNSQuestion(name: name, type: $0, wantsUnicast: true) }
                continue
            }
            if hosts[host]?.isEmpty != false {
                if awaited.count >= Self.maximumAwaited { awaited = [:] }
                awaited[host, default: []].insert(name)
                questions += [DNSType.a, DNSType.aaaa].map { DNSQuestion(name: host, type: $0, wantsUnicast: true) }
            }
            candidates += self.candidates(of: name, instance, from: source, on: interface)
        }
        return (gone.filter { $0.id != nil } + candidates, questions)
    }

    private mutating func edit(_ name: DNSName, _ source: IPAddress, _ change: (inout Instance) -> Void) {
        instances.edit(name, from: source, initially: Instance(), change)
    }

    private mutating func edit(_ host: DNSName, _ source: IPAddress, _ address: IPAddress, _ isGoodbye: Bool) {
        guard !isGoodbye || hosts[host] != nil else { return }
        hosts.edit(host, from: source, initially: []) { addresses in
            addresses.removeAll { $0 == address }
            if !isGoodbye { addresses.insert(address, at: 0) }
            addresses.removeLast(max(0, addresses.count - Self.maximumAddresses))
        }
    }

    /// One candidate for each announced address of the host, those on the link first. The sender is not always the host,
    /// because reflectors repeat what they hear on other networks; its address is tried as well when the host announces
    /// none in one of the link's own networks.
    private func candidates(
        of name: DNSName, _ instance: Instance, from source: IPAddress, on interface: NetworkInterface
    ) -> [Candidate] {
        guard let host = instance.host, let text = instance.text, instance.port != 0 else { return [] }
        let announced = hosts[host] ?? []
        let near = announced.filter { interface.reach(of: $0) == .link }
        let routed = announced.filter { interface.reach(of: $0) == .site }
        let isOnNetwork = near.contains { $0 == source || $0.isV4 || !$0.isLinkLocal }
        return (isOnNetwork ? near : [source] + near + routed).map { address in
            Candidate(
                origin: .mdns, id: NodeID(Self.value("id", in: text) ?? ""), name: name.labels.first,
                endpoint: NodeEndpoint(
                    address: address, interface: interface.index, httpPort: UInt16(Self.value("http", in: text) ?? ""),
                    synthesisPort: instance.port), source: source)
        }
    }

    /// The value of a TXT key (RFC 6763 §6.4: case does not matter, the first string of a key counts).
    static func value(_ key: String, in text: [[UInt8]]) -> String? {
        for string in text {
            guard let equals = string.firstIndex(of: UInt8(ascii: "=")) else { continue }
            if String(decoding: string[..<equals], as: UTF8.self).lowercased() == key {
                return String(decoding: string[(equals + 1)...], as: UTF8.self)
            }
        }
        return nil
    }
}
