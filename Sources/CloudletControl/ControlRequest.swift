// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A request to the node. The body of the message is the request encoded as JSON.
package protocol ControlRequest: Codable, Sendable {
    /// The type of the body of each reply.
    associatedtype Reply: Codable & Sendable

    /// The name of the request in the protocol.
    static var name: String { get }
}

/// The keys that every request has, whatever its body.
struct ControlRequestHead: Decodable {
    let version: Int
    let request: String
}

/// A request message as it is sent.
struct ControlRequestMessage<Request: ControlRequest>: Codable {
    var version = ControlProtocol.version
    var request = Request.name
    let body: Request
}

/// A reply message as it is sent.
struct ControlReplyMessage<Body: Codable>: Codable {
    var version = ControlProtocol.version
    var body: Body?
    var error: ControlFailure?
}

/// An error as it is sent.
struct ControlFailure: Codable {
    let code: String
    /// What went wrong and what can be done about it.
    let message: String

    init(_ error: CloudletError) { (code, message) = (error.code.description, error.description) }

    var error: CloudletError {
        CloudletError(CloudletError.Code.all.first { $0.description == code } ?? .unavailable, message)
    }
}
