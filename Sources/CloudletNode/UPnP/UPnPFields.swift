// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The methods of GENA (UDA 2.0 §4), which HTTP itself does not define.
extension HTTPRequest.Method {
    static let subscribe = Self("SUBSCRIBE") ?? .post
    static let unsubscribe = Self("UNSUBSCRIBE") ?? .post
}

/// Header fields of UPnP.
extension HTTPField.Name {
    static let soapAction = named("SOAPACTION")
    static let ext = named("EXT")
    static let callback = named("CALLBACK")
    static let nt = named("NT")
    static let sid = named("SID")
    static let timeout = named("TIMEOUT")

    /// Creates a field name from a text that is known to be valid.
    static func named(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is not a field name") }
        return name
    }
}
