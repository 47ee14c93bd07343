import CloudletCore
import CloudletMarkup
import FoundationEssentials

/// Proves by a real connection that a node is where it was seen.
struct NodeVerifier: Sendable {
    /// The longest a proof may take.
    var timeout = Duration.seconds(2)

    /// What a connection showed.
    struct Proof: Hashable, Sendable {
        /// The id the node itself gives, if it gives one.
        var id: NodeID?
        var name: String?
        /// The port of its HTTP server, if it has one.
        var httpPort: UInt16?
        var synthesisPort: UInt16
        var roundTrip: Duration
        var status: NodeStatus?
    }

    /// Fetches what the node at `place` says of itself, and connects to its synthesis port.
    /// `id` is who it should be; `nil` when the evidence did not say.
    /// - Throws: `CloudletError` that says what is wrong there.
    func verify(_ place: NodePlace, expecting id: NodeID?) async throws -> Proof {
        // A port that is known from the start is tried at the same time.
        async let early = connectEarly(place)
        var proof = try await introduction(of: place, isAnybodyWelcome: id == nil)
        if let id, let actual = proof.id, id != actual {
            throw CloudletError(.protocolViolation, "\(place.address) is another node than it was announced as")
        }
        if id != nil, proof.id == nil, place.httpPort != nil {
            throw CloudletError(.protocolViolation, "\(place.address) does not say who it is")
        }
        let roundTrip: Duration
        if let measured = try await early, place.synthesisPort == proof.synthesisPort {
            roundTrip = measured
        } else {
            roundTrip = try await connect(place, proof.synthesisPort)
        }
        proof.roundTrip = min(roundTrip, proof.roundTrip)
        return proof
    }

    /// The status document; of nodes without one, the UPnP description; of nodes without HTTP, nothing.
    private func introduction(of place: NodePlace, isAnybodyWelcome: Bool) async throws -> Proof {
        guard let port = place.httpPort else {
            guard let port = place.synthesisPort else {
                throw CloudletError(.protocolViolation, "\(place.address) was announced without a port")
            }
            return Proof(synthesisPort: port, roundTrip: timeout)
        }
        let answer: HTTPExchange
        do {
            answer = try await get(UPnPPath.status, place, port)
        } catch let error as CloudletError where error.code == .unavailable && isAnybodyWelcome {
            // The original's node has no HTTP server that could be guessed.
            guard let port = place.synthesisPort else { throw error }
            return Proof(synthesisPort: port, roundTrip: timeout)
        }
        if answer.status == 200, let status = try? JSONDecoder().decode(NodeStatus.self, from: Data(answer.body)),
            let record = status.record(httpPort: port)
        {
            return Proof(
                id: record.id, name: record.name, httpPort: port, synthesisPort: record.synthesisPort,
                roundTrip: answer.roundTrip, status: NodeStatus(record))
        }
        guard let path = place.descriptionPath else {
            throw CloudletError(.protocolViolation, "\(place.address) has no status of a node")
        }
        var proof = try Self.describe(try await get(path, place, port))
        proof.httpPort = port
        return proof
    }

    /// What the description of a device says that has no status document: the original's, with its port in the service
    /// type.
    static func describe(_ answer: HTTPExchange) throws -> Proof {
        guard answer.status == 200 else {
            throw CloudletError(.protocolViolation, "the description can't be had: status \(answer.status)")
        }
        let root = try MarkupParser().parse(answer.body)
        guard let device = root.child("device"), let udn = device.text(of: "UDN") else {
            throw CloudletError(.protocolViolation, "the description has no device")
        }
        let prefix = "urn:schemas-upnp-org:service:port:"
        let types = device.child("serviceList")?.children("service").compactMap { $0.text(of: "serviceType") } ?? []
        let port = types.first { $0.hasPrefix(prefix) }.flatMap { UInt16($0.dropFirst(prefix.count)) } ?? 8021
        return Proof(
            id: udn.lowercased().hasPrefix("uuid:") ? NodeID(udn.dropFirst(5)) : nil,
            name: device.text(of: "friendlyName")?.cut(toBytes: 255), synthesisPort: port, roundTrip: answer.roundTrip)
    }

    private func connectEarly(_ place: NodePlace) async throws -> Duration? {
        guard let port = place.synthesisPort else { return nil }
        return try await connect(place, port)
    }

    private func get(_ path: String, _ place: NodePlace, _ port: UInt16) async throws -> HTTPExchange {
        try await HTTPExchange.perform(
            HTTPExchange.Request(
                host: HostAndPort(place.address, port), interface: place.interface, path: path, timeout: timeout,
                limit: 256 << 10))
    }

    private func connect(_ place: NodePlace, _ port: UInt16) async throws -> Duration {
        try await HTTPExchange.connectOnly(
            HostAndPort(place.address, port), interface: place.interface, timeout: timeout)
    }
}
