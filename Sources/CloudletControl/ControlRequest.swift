import CloudletCore

/// Something that the node can be asked for. The type's own form is the body of the request.
package protocol ControlRequest: Codable, Sendable {
    /// The body of each reply.
    associatedtype Reply: Codable & Sendable

    /// The word by which the request is known.
    static var name: String { get }
}

/// What every request says, whatever its body.
struct ControlRequestHead: Decodable {
    let version: Int
    let request: String
}

/// A request as it is sent.
struct ControlRequestMessage<Request: ControlRequest>: Codable {
    var version = ControlProtocol.version
    var request = Request.name
    let body: Request
}

/// A reply as it is sent.
struct ControlReplyMessage<Body: Codable>: Codable {
    var version = ControlProtocol.version
    var body: Body?
    var error: ControlFailure?
}

/// An error as it is sent.
struct ControlFailure: Codable {
    let code: String
    /// What went wrong, with what can be done about it.
    let message: String

    init(_ error: CloudletError) { (code, message) = (error.code.description, error.description) }

    var error: CloudletError {
        CloudletError(CloudletError.Code.all.first { $0.description == code } ?? .unavailable, message)
    }
}
