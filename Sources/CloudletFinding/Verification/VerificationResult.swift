// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletMarkup
import FoundationEssentials

/// The properties of a node that a connection to it has shown.
struct VerificationResult: Hashable, Sendable {
    /// The node's id, if it names one.
    var id: NodeID?
    var name: String?
    /// The port of its HTTP server, if it has one.
    var httpPort: UInt16?
    var synthesisPort: UInt16
    /// How long a TCP connection took to open: one round trip.
    var roundTrip: Duration
    var status: NodeStatus?
}

extension VerificationResult {
    /// Reads the status document; `nil` when the answer is none.
    init?(status answer: HTTPAnswer, httpPort: UInt16) {
        guard answer.status == 200, let status = try? JSONDecoder().decode(NodeStatus.self, from: Data(answer.body)),
            let record = status.record(httpPort: httpPort)
        else { return nil }
        self.init(
            id: record.id, name: record.name, httpPort: httpPort, synthesisPort: record.synthesisPort,
            roundTrip: answer.roundTrip, status: NodeStatus(record))
    }

    /// Reads the description of a device without status document: the original's, which names its port in the service
    /// type.
    /// - Throws: `CloudletError.protocolViolation` when the answer is not a device description.
    init(description answer: HTTPAnswer, httpPort: UInt16?) throws(CloudletError) {
        guard answer.status == 200 else {
            throw CloudletError(.protocolViolation, "the description was not sent: HTTP status \(answer.status)")
        }
        let root = try MarkupParser().parse(answer.body)
        guard let device = root.child("device"), let udn = device.text(of: "UDN") else {
            throw CloudletError(.protocolViolation, "the description has no <device> with a <UDN>")
        }
        let prefix = "urn:schemas-upnp-org:service:port:"
        let types = device.child("serviceList")?.children("service").compactMap { $0.text(of: "serviceType") } ?? []
        let port = types.first { $0.hasPrefix(prefix) }.flatMap { UInt16($0.dropFirst(prefix.count)) }
        self.init(
            id: udn.lowercased().hasPrefix("uuid:") ? NodeID(udn.dropFirst(5)) : nil,
            name: device.text(of: "friendlyName")?.cut(toBytes: 255), httpPort: httpPort,
            synthesisPort: port ?? NodeRecord.defaultSynthesisPort, roundTrip: answer.roundTrip)
    }
}

extension VerificationResult {
    /// Parses a made-up message and status document. The first run of this code takes a good part of a millisecond;
    /// this call spends that time while the first answer is still on its way.
    static func warmUp() {
        let status =
            #"{"id":"","name":"","api":1,"synthesis_port":1,"load":0,"free_memory":0,"sessions":0,"#
            + #""features":[],"bases":[]}"#
        let message = SSDPCandidates.search("", to: SSDPGroup.v4)
        let bytes = Array("HTTP/1.0 200 OK\r\nContent-Length: \(status.utf8.count)\r\n\r\n\(status)".utf8)
        guard SSDPMessage(message.bytes) != nil, let head = try? HTTPAnswer.Head(parsing: bytes),
            let complete = try? head.answer(in: bytes, isComplete: true, .zero)
        else { return }
        _ = VerificationResult(status: complete, httpPort: 1)
    }
}
