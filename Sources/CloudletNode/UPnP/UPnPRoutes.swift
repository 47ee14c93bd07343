// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletAdvertising
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSystem
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// The HTTP part of the UPnP device (UDA 2.0 §2 to §5): descriptions, control, events, and the status document with
/// which clients verify the node.
package struct UPnPRoutes: Sendable {
    private let record: CurrentValue<NodeRecord>
    private let subscriptions: EventSubscriptions
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let sessions: @Sendable () async -> [String]

    /// Creates routes that answer from `record`; the UPnP routes answer only hosts on the links of `interfaces`.
    /// `sessions` returns a line of text for each running session, which every host may read, for the action
    /// ListSessions.
    package init(
        record: CurrentValue<NodeRecord>, subscriptions: EventSubscriptions,
        interfaces: CurrentValue<[NetworkInterface]>,
        sessions: @escaping @Sendable () async -> [String] = { [] }
    ) {
        self.record = record
        self.subscriptions = subscriptions
        self.interfaces = interfaces
        self.sessions = sessions
    }

    /// Adds the routes.
    package func add(to router: NodeRouter) {
        let check = LinkCheck(interfaces: interfaces)
        document(UPnPPath.description, in: router) { $0.description }
        document("/upnp/original.xml", in: router) { $0.originalService }
        document("/upnp/synthesis.xml", in: router) { $0.synthesisService }
        router.get(UPnPPath.status) { _, _ in
            let data = try JSONEncoder().encode(NodeStatus(record.value))
            return Response(
                status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
        }
        for service in UPnPService.allCases {
            router.on("/upnp/\(service.rawValue)/control", .post, through: check) { request, _ in
                try await control(service, request)
            }
            let events = "/upnp/\(service.rawValue)/event"
            router.on(events, .subscribe, through: check) { try await subscribe(service, $0, $1) }
            router.on(events, .unsubscribe, through: check) { request, _ in try await unsubscribe(service, request) }
        }
    }

    private func document(
        _ path: String, in router: NodeRouter, _ text: @escaping @Sendable (UPnPDocuments) -> String
    ) {
        router.get(path, through: LinkCheck(interfaces: interfaces)) { [record] request, _ in
            let body = ByteBuffer(string: text(UPnPDocuments(UPnPDevice(record.value))))
            var headers: HTTPFields = [.contentType: UPnPRoutes.xml, .contentLength: String(body.readableBytes)]
            // Sent only if the client requests a language (UDA 2.0 §2.11).
            if request.headers[.acceptLanguage] != nil { headers[.contentLanguage] = "en" }
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
        }
    }

    private static let xml = "text/xml; charset=\"utf-8\""

    /// Handles control requests (UDA 2.0 §3). The content type is checked because a web page can make a browser post
    /// `text/plain`, but not XML, to other hosts without permission.
    private func control(_ service: UPnPService, _ request: Request) async throws -> Response {
        guard let type = request.headers[.contentType]?.lowercased(), type.hasPrefix("text/xml") else {
            return .text("control requests are text/xml", .unsupportedMediaType)
        }
        let body: [UInt8]
        do {
            body = Array(try await request.body.collect(upTo: SOAPRequest.maximumBytes).readableBytesView)
        } catch is NIOTooManyBytesError {
            return .text("control requests have at most \(SOAPRequest.maximumBytes) bytes", .contentTooLarge)
        }
        let call: SOAPRequest
        do {
            call = try SOAPRequest(soapAction: request.headers[.soapAction], body: body)
        } catch {
            return .text(error.message, .badRequest)
        }
        do {
            let values = try service.perform(call, on: record.value, sessions: await sessions())
            return soap(SOAP.result(of: call, values), .ok)
        } catch {
            return soap(SOAP.fault(error), .internalServerError)
        }
    }

    private func soap(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: Self.xml, .ext: ""],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// Handles SUBSCRIBE, for a new or a renewed subscription (UDA 2.0 §4.1.2, §4.1.3).
    private func subscribe(
        _ service: UPnPService, _ request: Request, _ context: NodeRequestContext
    ) async throws -> Response {
        let (callback, type, sid) = (request.headers[.callback], request.headers[.nt], request.headers[.sid])
        if sid != nil, callback != nil || type != nil { return .text("SID together with NT or CALLBACK", .badRequest) }
        do {
            if let sid {
                try await subscriptions.renew(sid, of: service)
                return subscribed(sid)
            }
            guard let source = context.remoteAddress?.address else { throw GENARefusal.preconditionFailed }
            return subscribed(
                try await subscriptions.subscribe(
                    to: service, callback: callback, notificationType: type, from: source,
                    interface: context.remoteAddress?.scope ?? 0))
        } catch let refusal as GENARefusal {
            return .text("subscription refused", .init(code: refusal.status))
        }
    }

    private func subscribed(_ sid: String) -> Response {
        Response(
            status: .ok, headers: [.sid: sid, .timeout: "Second-\(EventSubscriptions.timeout)", .contentLength: "0"])
    }

    private func unsubscribe(_ service: UPnPService, _ request: Request) async throws -> Response {
        guard let sid = request.headers[.sid] else { return .text("SID is missing", .preconditionFailed) }
        if request.headers[.callback] != nil || request.headers[.nt] != nil {
            return .text("SID together with NT or CALLBACK", .badRequest)
        }
        do {
            try await subscriptions.unsubscribe(sid, of: service)
            return Response(status: .ok, headers: [.contentLength: "0"])
        } catch {
            return .text("subscription refused", .init(code: error.status))
        }
    }
}
