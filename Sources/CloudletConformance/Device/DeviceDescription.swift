// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletNetwork

/// A device description as downloaded, parsed leniently.
struct DeviceDescription: Sendable {
    /// The URL of the document.
    let location: WebAddress
    /// Its root element.
    let root: MarkupElement
    /// The root device and all embedded ones.
    let devices: [MarkupElement]
    /// The services of all devices.
    let services: [Service]

    /// A service with its URLs resolved; a URL is `nil` when it is missing, empty, or on another host, which must not
    /// be contacted.
    struct Service: Sendable {
        let element: MarkupElement
        let type: String
        let document: WebAddress?
        let control: WebAddress?
        let events: WebAddress?
    }

    /// Reads a document.
    /// - Throws: `CloudletError` when it is not well-formed or has no device.
    init(_ document: String, at location: WebAddress) throws(CloudletError) {
        self.location = location
        root = try MarkupParser().parse(document)
        guard let device = root.child("device") else {
            throw CloudletError(.protocolViolation, "the description has no device")
        }
        func all(_ device: MarkupElement) -> [MarkupElement] {
            [device] + (device.child("deviceList")?.children("device") ?? []).flatMap(all)
        }
        devices = all(device)
        let base = root.text(of: "URLBase").flatMap { WebAddress($0.trimmed) } ?? location
        services = devices.flatMap { $0.child("serviceList")?.children("service") ?? [] }.map { element in
            func address(_ name: String) -> WebAddress? {
                guard let text = element.text(of: name)?.trimmed, !text.isEmpty else { return nil }
                return base.resolving(text).flatMap { $0.isSameHost(as: location) ? $0 : nil }
            }
            return Service(
                element: element, type: element.text(of: "serviceType")?.trimmed ?? "",
                document: address("SCPDURL"), control: address("controlURL"), events: address("eventSubURL"))
        }
    }

    private var device: MarkupElement { devices[0] }
    var udn: String { device.text(of: "UDN")?.trimmed ?? "" }
    var friendlyName: String { device.text(of: "friendlyName") ?? "" }
    /// The URL of the presentation page; `nil` when there is none on this host.
    var presentation: WebAddress? {
        guard let page = device.text(of: "presentationURL").flatMap({ location.resolving($0.trimmed) }) else {
            return nil
        }
        return page.isSameHost(as: location) ? page : nil
    }

    /// The NT of everything that must be announced, with its USN (UDA 2.0, tables 1-1 to 1-3).
    var targets: [String: String] {
        var result = ["upnp:rootdevice": "\(udn)::upnp:rootdevice"]
        for device in devices {
            let udn = device.text(of: "UDN")?.trimmed ?? ""
            result[udn] = udn
            var types = [device.text(of: "deviceType")?.trimmed ?? ""]
            types += (device.child("serviceList")?.children("service") ?? []).map {
                $0.text(of: "serviceType")?.trimmed ?? ""
            }
            for type in types { result[type] = "\(udn)::\(type)" }
        }
        return result
    }

    /// The announced types of devices and services.
    var types: [String] { targets.keys.filter { $0.hasPrefix("urn:") }.sorted() }
}

extension String {
    /// The text without blanks at both ends.
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
