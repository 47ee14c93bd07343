// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Builds the tree of a document: the elements that are open, and the root once it is closed. Resolves prefixes
/// (Namespaces in XML 1.0, section 6).
struct MarkupTree {
    private struct OpenElement {
        let name: String
        var element: MarkupElement
        /// The namespaces that the element's tag declares, by prefix.
        let declared: [String: String]
    }

    private let maximumDepth: Int
    private let maximumElements: Int
    private var open: [OpenElement] = []
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

    /// Opens an element.
    mutating func open(_ name: String, _ attributes: [String: String]) throws(MarkupFault) {
        guard open.count < maximumDepth else {
            throw MarkupFault("elements are nested deeper than \(maximumDepth) levels")
        }
        count += 1
        guard count <= maximumElements else { throw MarkupFault("there are more than \(maximumElements) elements") }
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
        for (prefix, namespace) in declared { try Self.checkDeclaration(prefix, namespace) }
        for key in kept.keys {
            let prefix = try Self.split(key).prefix
            if !prefix.isEmpty { _ = try self.namespace(of: prefix, declared) }
        }
        let (prefix, local) = try Self.split(name)
        let namespace = try self.namespace(of: prefix, declared)
        let element = MarkupElement(local, namespace: namespace.isEmpty ? nil : namespace, attributes: kept)
        open.append(OpenElement(name: name, element: element, declared: declared))
    }

    /// The namespace that a prefix stands for; empty for a name without a prefix where no default namespace is declared.
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
        // Scalar by scalar: Swift counts a colon with a combining mark as one character.
        let scalars = name.unicodeScalars
        guard let colon = scalars.firstIndex(of: ":") else { return ("", name) }
        let (prefix, local) = (String(scalars[..<colon]), String(scalars[scalars.index(after: colon)...]))
        guard MarkupScanner.isPlainName(prefix), MarkupScanner.isPlainName(local) else {
            throw MarkupFault("'\(name.shown)' is not a name with a prefix")
        }
        return (prefix, local)
    }

    /// Checks the declaration of a prefix: the namespace must be an absolute URI (RFC 3986; only its characters are
    /// checked), and the reserved prefixes and namespace must not be redefined (Namespaces in XML, section 3).
    private static func checkDeclaration(_ prefix: String, _ namespace: String) throws(MarkupFault) {
        if prefix.isEmpty, namespace.isEmpty { return }
        guard prefix != "xmlns", (prefix == "xml") == (namespace == xml) else {
            throw MarkupFault("the prefix '\(prefix.shown)' or its namespace is reserved")
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

    /// Adds character data to the innermost open element.
    mutating func add(_ text: String) { open[open.count - 1].element.text += text }

    /// Closes an element.
    mutating func close(_ name: String) throws(MarkupFault) {
        guard var closed = open.popLast() else { throw MarkupFault("the end tag '\(name.shown)' has no start tag") }
        // Byte by byte: Swift's == ignores differences in Unicode normalisation.
        guard closed.name.utf8.elementsEqual(name.utf8) else {
            throw MarkupFault("the end tag '\(name.shown)' does not match the start tag '\(closed.name.shown)'")
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
        guard let root else { throw MarkupFault("the root element is missing") }
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
