// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDescriptors
package import CloudletDiscovery
import CloudletMarkup

/// The XML documents of the device, which depend only on the description of the device.
package struct UPnPDocuments: Hashable, Sendable {
    /// The device description (UDA 2.0 §2.3). It is the same on every interface, because all URLs in it are relative.
    package let description: String
    /// The description of the original's service.
    package let originalService: String
    /// The description of the current service.
    package let synthesisService: String
    /// CONFIGID.UPNP.ORG and the `configId` attributes: 24 bits computed from the content.
    package let configID: Int32

    /// Fills in the documents for `device`.
    package init(_ device: UPnPDevice) {
        let values = [
            "deviceType": UPnPDevice.deviceType, "friendlyName": device.friendlyName, "udn": device.udn,
            "originalServiceType": device.originalServiceType, "synthesisServiceType": UPnPDevice.synthesisServiceType,
        ]
        let templates = [Descriptors.device, Descriptors.originalService, Descriptors.synthesisService]
        let drafts = templates.map { Self.fill($0, values) }
        let digest = SHA256Digest(hashing: Array(drafts.joined().utf8).span)
        let number = Int32(truncatingIfNeeded: digest.words.0 >> 40)
        configID = number
        // Start from the templates, not from the drafts: a draft contains texts that others chose.
        let all = values.merging(["configId": String(number)]) { first, _ in first }
        let final = templates.map { Self.fill($0, all) }
        description = final[0]
        originalService = final[1]
        synthesisService = final[2]
    }

    /// Replaces each `{name}` with its value, escaped for XML. Names without a value stay.
    static func fill(_ template: String, _ values: [String: String]) -> String {
        var result = ""
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            result += rest[..<open]
            let inside = rest[rest.index(after: open)...]
            if let close = inside.firstIndex(of: "}"), let value = values[String(inside[..<close])] {
                result += value.escapedForXML
                rest = inside[inside.index(after: close)...]
            } else {
                result += "{"
                rest = inside
            }
        }
        return result + rest
    }
}
