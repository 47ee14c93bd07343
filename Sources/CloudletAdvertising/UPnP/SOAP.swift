// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMarkup

/// A control request (UDA 2.0 §3.2.1): an action of a service with its arguments.
package struct SOAPRequest: Hashable, Sendable {
    /// The service type the action belongs to.
    package let serviceType: String
    /// The action.
    package let action: String
    /// Its arguments by name.
    package let arguments: [String: String]

    /// The largest accepted request in bytes.
    package static let maximumBytes = 16 << 10

    /// Reads a request.
    /// `soapAction` is the header SOAPACTION, `"serviceType#action"` with its quotes.
    /// - Throws: `CloudletError.usage` for a malformed request, and for a body that names another action than the
    ///   header.
    package init(soapAction: String?, body: [UInt8]) throws(CloudletError) {
        guard let header = soapAction, header.utf8.count > 2, header.first == "\"", header.last == "\"",
            let hash = header.lastIndex(of: "#")
        else { throw CloudletError(.usage, "the header SOAPACTION is missing or malformed") }
        serviceType = String(header[header.index(after: header.startIndex)..<hash])
        action = String(header[header.index(after: hash)...].dropLast())
        var parser = MarkupParser()
        parser.maximumBytes = Self.maximumBytes
        parser.maximumElements = 64
        let envelope = try parser.parse(body)
        guard envelope.name == "Envelope", envelope.namespace == SOAP.envelope,
            let content = envelope.child("Body")?.children.first
        else { throw CloudletError(.usage, "the request is not a SOAP envelope") }
        guard content.name == action, content.namespace == serviceType else {
            throw CloudletError(.usage, "the request names a different action than its header")
        }
        arguments = Dictionary(content.children.map { ($0.name, $0.text) }) { first, _ in first }
    }
}

/// The documents that answer control requests.
package enum SOAP {
    static let envelope = "http://schemas.xmlsoap.org/soap/envelope/"

    /// The result of an action (UDA 2.0 §3.2.2): its out arguments in the order of the service description.
    package static func result(of request: SOAPRequest, _ values: [(name: String, value: String)]) -> String {
        let arguments = values.map { "<\($0.name)>\($0.value.escapedForXML)</\($0.name)>" }.joined()
        return wrap(
            "<u:\(request.action)Response xmlns:u=\"\(request.serviceType.escapedForXML)\">\(arguments)"
                + "</u:\(request.action)Response>")
    }

    /// A refusal (UDA 2.0 §3.2.3), sent with status 500.
    package static func fault(_ fault: UPnPFault) -> String {
        wrap(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                + "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>\(fault.code)</errorCode>"
                + "<errorDescription>\(fault.text.escapedForXML)</errorDescription></UPnPError></detail></s:Fault>")
    }

    private static func wrap(_ content: String) -> String {
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope xmlns:s=\"\(envelope)\" "
            + "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\(content)</s:Body></s:Envelope>\n"
    }
}

/// An error code of UPnP control (UDA 2.0, table 3-3).
package struct UPnPFault: Error, Hashable, Sendable {
    /// The number.
    package let code: Int
    /// Its meaning.
    package let text: String

    /// The service has no such action.
    package static let invalidAction = UPnPFault(code: 401, text: "Invalid Action")
    /// An argument is missing, superfluous or of the wrong type.
    package static let invalidArguments = UPnPFault(code: 402, text: "Invalid Args")
    /// The action failed.
    package static let actionFailed = UPnPFault(code: 501, text: "Action Failed")
}
