import CloudletCore
import CloudletDiscovery
import CloudletMarkup
import FoundationEssentials

/// What a connection to a node showed.
struct VerificationResult: Hashable, Sendable {
    /// The id the node itself gives, if it gives one.
    var id: NodeID?
    var name: String?
    /// The port of its HTTP server, if it has one.
    var httpPort: UInt16?
    var synthesisPort: UInt16
    /// How long a connection takes to be made.
    var roundTrip: Duration
    var status: NodeStatus?
}

extension VerificationResult {
    /// From the status document; `nil` when it is none.
    init?(status answer: HTTPAnswer, httpPort: UInt16) {
        guard answer.status == 200, let status = try? JSONDecoder().decode(NodeStatus.self, from: Data(answer.body)),
            let record = status.record(httpPort: httpPort)
        else { return nil }
        self.init(
            id: record.id, name: record.name, httpPort: httpPort, synthesisPort: record.synthesisPort,
            roundTrip: answer.roundTrip, status: NodeStatus(record))
    }

    /// From the description of a device that has no status document: the original's, with its port in the service type.
    /// - Throws: `CloudletError.protocolViolation` when it is no device description.
    init(description answer: HTTPAnswer, httpPort: UInt16?) throws(CloudletError) {
        guard answer.status == 200 else {
            throw CloudletError(.protocolViolation, "the description can't be had: status \(answer.status)")
        }
        let root = try MarkupParser().parse(answer.body)
        guard let device = root.child("device"), let udn = device.text(of: "UDN") else {
            throw CloudletError(.protocolViolation, "the description has no device")
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
    /// Reads an answer and a status document made up for it: the first time takes a good part of a millisecond, which is
    /// to be had while the first answer is on its way.
    static func rehearse() {
        let status =
            #"{"id":"","name":"","api":1,"synthesis_port":1,"load":0,"free_memory":0,"sessions":0,"#
            + #""features":[],"bases":[]}"#
        let message = SSDPSightings.search("", to: SSDPGroup.v4)
        let bytes = Array("HTTP/1.0 200 OK\r\nContent-Length: \(status.utf8.count)\r\n\r\n\(status)".utf8)
        guard SSDPMessage(message.bytes) != nil, let head = try? HTTPAnswer.Head(parsing: bytes),
            let complete = try? head.answer(in: bytes, isComplete: true, .zero)
        else { return }
        _ = VerificationResult(status: complete, httpPort: 1)
    }
}
