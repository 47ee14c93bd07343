import HTTPTypes

/// Methods of GENA (UDA 2.0 §4) that HTTP itself doesn't have.
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

    /// A name that is known to be well formed.
    static func named(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is not a field name") }
        return name
    }
}
