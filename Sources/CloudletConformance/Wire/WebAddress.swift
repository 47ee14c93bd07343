/// An absolute http URL with a literal address.
struct WebAddress: Hashable, Sendable, CustomStringConvertible {
    let place: Place
    let path: String

    init(place: Place, path: String) { (self.place, self.path) = (place, path) }

    /// From text; `nil` for other schemes and for host names. `scope` is the interface for link-local addresses.
    init?(_ text: String, scope: UInt32 = 0) {
        guard text.lowercased().hasPrefix("http://") else { return nil }
        let rest = text.dropFirst(7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        path = rest.count == authority.count ? "/" : String(rest.dropFirst(authority.count))
        var host = authority
        var port: UInt16 = 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { return nil }
            (host, port) = (authority[..<colon], number)
        }
        guard let place = Place(host, port: port, scope: scope) else { return nil }
        self.place = place
    }

    /// A reference in a document at this address (RFC 3986 §5, as far as UPnP uses it).
    func resolving(_ reference: String) -> WebAddress? {
        if reference.lowercased().hasPrefix("http:") { return WebAddress(reference, scope: place.scope) }
        if reference.hasPrefix("//") { return WebAddress("http:" + reference, scope: place.scope) }
        if reference.hasPrefix("/") { return WebAddress(place: place, path: reference) }
        let folder = path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex)
        return WebAddress(place: place, path: folder + reference)
    }

    /// Whether both are at the same address, at whatever port.
    func isSameHost(as other: WebAddress) -> Bool { place.address == other.place.address }

    var description: String { "http://\(place.host):\(place.port)\(path)" }
}
