// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// The node under test.
struct DeviceUnderTest: Sendable {
    /// Its IPv4 address.
    let address: IPAddress
    /// Its answer to the SSDP search that found it.
    let answer: ReceivedMessage
    /// Its description.
    let description: DeviceDescription
    /// Its DNS-SD instance; `nil` when it has none.
    var instance: Instance?

    var udn: String { description.udn }
    var location: WebAddress { description.location }

    /// A DNS-SD instance with its records.
    struct Instance: Sendable {
        let name: DNSLabels
        let host: DNSLabels
        let port: UInt16
        let records: [DNSPacket.Record]

        /// The strings of its TXT record.
        var txt: [[UInt8]] {
            records.first { $0.name == name && $0.type == DNSKind.txt }.map { strings($0.data) } ?? []
        }

        /// The value of a TXT key.
        func value(_ key: String) -> String? {
            for string in txt {
                let text = String(decoding: string, as: UTF8.self)
                if text.lowercased().hasPrefix(key + "=") { return String(text.dropFirst(key.count + 1)) }
            }
            return nil
        }

        /// The subtypes that its TXT record implies: one for each feature and each base VM.
        var subtypes: [String] {
            ["feat", "bases"].flatMap { key in
                (value(key) ?? "").split(separator: ",").map { key == "bases" ? "_base-\($0)" : "_\($0)" }
            }
        }

        private func strings(_ data: [UInt8]) -> [[UInt8]] {
            var (rest, result): (ArraySlice<UInt8>, [[UInt8]]) = (data[...], [])
            while let length = rest.popFirst() {
                result.append(Array(rest.prefix(Int(length))))
                rest = rest.dropFirst(Int(length))
            }
            return result
        }
    }

    /// Searches for the node.
    /// - Throws: `CloudletError.noNode` when there is none, or more than one.
    static func find(on link: TestLink, _ options: ConformanceOptions) async throws(CloudletError) -> DeviceUnderTest {
        let wanted = IPAddress(options.target)
        let queryPort = try link.queryPort()
        var found: [String: ReceivedMessage] = [:]
        for _ in 0..<5 where found.isEmpty {
            for group in [Endpoint.ssdpV4] + (wanted.map { [Endpoint($0, 1900)] } ?? []) {
                let search = SearchText(options.deviceType) { $0.host = "\(group)" }
                queryPort.send(search.text, to: group)
            }
            await pause(1.3)
            for answer in queryPort.packets().compactMap(ReceivedMessage.init) where answer.message.isAnswer {
                guard wanted == nil || answer.source.address == wanted else { continue }
                found[answer.message.udn ?? ""] = answer
            }
        }
        guard let answer = found.values.first else {
            throw CloudletError(
                .noNode, "no \(options.deviceType) answered on \(link.interface.name)",
                advice: "check that the node runs; --type TYPE checks devices of another type")
        }
        guard found.count == 1 else {
            let addresses = found.values.map { $0.source.address.description }.sorted()
            throw CloudletError(
                .usage, "several nodes answered: \(addresses.joined(separator: ", "))",
                advice: "give the address of one")
        }
        return try await DeviceUnderTest(answer, on: link, options)
    }

    /// Downloads the description of a node that answered, and queries its DNS-SD instance.
    init(_ answer: ReceivedMessage, on link: TestLink, _ options: ConformanceOptions) async throws(CloudletError) {
        self.answer = answer
        address = answer.source.address
        let location = try Self.location(told: answer.message["LOCATION"], by: address)
        let document = await HTTPProbe.get(location)
        guard document.status == 200 else {
            throw CloudletError(.unavailable, "\(location) can't be fetched (status \(document.status))")
        }
        description = try DeviceDescription(document.body, at: location)
        instance = try await Self.instance(of: address, on: link, options)
    }

    /// The URL of the description, from a device's LOCATION.
    /// - Throws: `CloudletError.protocolViolation` when it is missing or names another host: otherwise, any host that
    ///   answers a search could make this program send requests to a third party.
    static func location(told text: String?, by source: IPAddress) throws(CloudletError) -> WebAddress {
        guard let location = text.flatMap({ WebAddress($0) }) else {
            throw CloudletError(.protocolViolation, "\(source) has no LOCATION that could be fetched")
        }
        guard location.endpoint.address == source else {
            throw CloudletError(
                .protocolViolation, "the LOCATION of \(source) names another host, \(location.endpoint.address.urlHost)"
            )
        }
        return location
    }

    /// Finds the instance whose host has this address.
    static func instance(
        of address: IPAddress, on link: TestLink, _ options: ConformanceOptions
    ) async throws(CloudletError) -> Instance? {
        let queryPort = try link.queryPort(hops: 255)
        let type = DNSLabels(options.serviceType + ".local")
        for _ in 0..<3 {
            queryPort.send(DNSPacket.query(type, DNSKind.ptr).bytes, to: .mdnsV4)
            await pause(0.4)
            let answers = queryPort.packets().compactMap(ReceivedDNSMessage.init).filter {
                $0.source.address == address
            }
            for answer in answers.reversed() {
                let records = answer.packet.records
                guard
                    let pointer = records.first(where: { $0.type == DNSKind.ptr && $0.name == type }),
                    let name = DNSLabels(wire: pointer.data),
                    let service = records.first(where: { $0.type == DNSKind.srv && $0.name == name }),
                    service.data.count > 6, let host = DNSLabels(wire: Array(service.data.dropFirst(6)))
                else { continue }
                let port = UInt16(service.data[4]) << 8 | UInt16(service.data[5])
                return Instance(name: name, host: host, port: port, records: records)
            }
        }
        return nil
    }
}

extension HTTPProbe {
    /// Downloads a document.
    static func get(_ address: WebAddress, timeout: Duration = .seconds(5)) async -> HTTPProbe {
        await ask(address.endpoint, "GET \(address.path) HTTP/1.1", timeout: timeout)
    }
}

extension DNSLabels {
    /// Reads a name in uncompressed wire form.
    init?(wire bytes: [UInt8]) {
        var (rest, labels): (ArraySlice<UInt8>, [[UInt8]]) = (bytes[...], [])
        while let length = rest.popFirst() {
            if length == 0 {
                self.init(labels)
                return
            }
            guard length < 64, rest.count >= Int(length) else { return nil }
            labels.append(Array(rest.prefix(Int(length))))
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }
}
