/// The elements that are open while a document is read, and the root once it is closed. Resolves prefixes (Namespaces in
/// XML 1.0, section 6).
struct MarkupTree {
    private struct Open {
        let name: String
        var element: MarkupElement
        /// The namespaces that its tag declares, by prefix.
        let declared: [String: String]
    }

    private let maximumDepth: Int
    private let maximumElements: Int
    private var open: [Open] = []
    private var root: MarkupElement?
    private var count = 0

    init(maximumDepth: Int, maximumElements: Int) {
        self.maximumDepth = maximumDepth
        self.maximumElements = maximumElements
    }

    /// Whether an element is open.
    var isOpen: Bool { !open.isEmpty }

    /// Whether the root is closed.
    var isComplete: Bool { root != nil }

    /// Begins an element.
    mutating func open(_ name: String, _ attributes: [String: String]) throws(MarkupFault) {
        guard open.count < maximumDepth else { throw MarkupFault("nested deeper than \(maximumDepth) levels") }
        count += 1
        guard count <= maximumElements else { throw MarkupFault("more than \(maximumElements) elements") }
        var declared: [String: String] = [:]
        var kept: [String: String] = [:]
        for (key, value) in attributes {
            if key == "xmlns" {
                declared[""] = value
            } else if key.utf8.starts(with: "xmlns:".utf8) {
                let (_, prefix) = try Self.split(key)
                declared[prefix] = value
            } else {
                kept[key] = value
            }
        }
        for (prefix, namespace) in declared { try Self.require(prefix, namespace) }
        for key in kept.keys {
            let prefix = try Self.split(key).prefix
            if !prefix.isEmpty { _ = try self.namespace(of: prefix, declared) }
        }
        let (prefix, local) = try Self.split(name)
        let namespace = try self.namespace(of: prefix, declared)
        let element = MarkupElement(local, namespace: namespace.isEmpty ? nil : namespace, attributes: kept)
        open.append(Open(name: name, element: element, declared: declared))
    }

    /// The namespace that a prefix stands for; the empty one for a name without prefix where none is declared.
    private func namespace(of prefix: String, _ declared: [String: String]) throws(MarkupFault) -> String {
        if let namespace = declared[prefix] { return namespace }
        for element in open.reversed() {
            if let namespace = element.declared[prefix] { return namespace }
        }
        if prefix == "xml" { return Self.xml }
        guard prefix.isEmpty else { throw MarkupFault("the prefix '\(prefix.shown)' is not declared") }
        return ""
    }

    private static let xml = "http://www.w3.org/XML/1998/namespace"

    /// A name's prefix, which may be empty, and the rest of it (Namespaces in XML, production 7).
    private static func split(_ name: String) throws(MarkupFault) -> (prefix: String, local: String) {
        // Scalar by scalar: a colon and a combining mark are one character of Swift's.
        let scalars = name.unicodeScalars
        guard let colon = scalars.firstIndex(of: ":") else { return ("", name) }
        let (prefix, local) = (String(scalars[..<colon]), String(scalars[scalars.index(after: colon)...]))
        guard MarkupScanner.isPlainName(prefix), MarkupScanner.isPlainName(local) else {
            throw MarkupFault("'\(name.shown)' is not a name with a prefix")
        }
        return (prefix, local)
    }

    /// What a prefix may be declared to be: an absolute URI (RFC 3986), of which only the characters are looked at.
    private static func require(_ prefix: String, _ namespace: String) throws(MarkupFault) {
        if prefix.isEmpty, namespace.isEmpty { return }
        guard prefix != "xmlns", (prefix == "xml") == (namespace == xml) else {
            throw MarkupFault("the prefix '\(prefix.shown)' is not what it has to be")
        }
        let scheme = namespace.utf8.prefix { $0 != UInt8(ascii: ":") }
        func isInScheme(_ byte: UInt8) -> Bool {
            0x30...0x39 ~= byte || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte || "+-.".utf8.contains(byte)
        }
        guard scheme.endIndex != namespace.utf8.endIndex, scheme.first.map({ $0 >= 0x41 }) == true,
            scheme.allSatisfy(isInScheme),
            namespace.utf8.allSatisfy({ 0x21...0x7E ~= $0 && !"\"<>\\^`{|}".utf8.contains($0) })
        else { throw MarkupFault("the namespace '\(namespace.shown)' is not an absolute URI") }
    }

    /// Adds character data to the element that is open.
    mutating func add(_ text: String) { open[open.count - 1].element.text += text }

    /// Ends an element.
    mutating func close(_ name: String) throws(MarkupFault) {
        guard var closed = open.popLast() else { throw MarkupFault("'\(name.shown)' ends and has not begun") }
        // Byte by byte: Swift takes names that differ in their composition for one.
        guard closed.name.utf8.elementsEqual(name.utf8) else {
            throw MarkupFault("'\(name.shown)' ends where '\(closed.name.shown)' is open")
        }
        closed.element.text = Self.trimmed(closed.element.text)
        if open.isEmpty {
            root = closed.element
        } else {
            open[open.count - 1].element.children.append(closed.element)
        }
    }

    /// The whole tree.
    func finish() throws(MarkupFault) -> MarkupElement {
        guard let root else { throw MarkupFault("it has no root element") }
        return root
    }

    private static func trimmed(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }
}
