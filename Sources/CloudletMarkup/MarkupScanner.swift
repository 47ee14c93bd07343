// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Splits a document into the parts of XML's grammar, from front to back. Apart from a few bytes of lookahead, each byte is
/// read once.
struct MarkupScanner {
    private let bytes: [UInt8]
    private var position = 0

    /// Scans a document that is valid UTF-8.
    init(_ document: [UInt8]) {
        bytes = document
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The line of the current position, counted from 1.
    var line: Int { bytes[..<position].count { $0 == 0x0A } + 1 }

    var isAtEnd: Bool { position == bytes.count }

    // MARK: - Markup

    /// Skips `text` if it comes next.
    /// - Returns: whether it came next.
    mutating func take(_ text: StaticString) -> Bool {
        let wanted = "\(text)".utf8
        guard bytes[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    /// Skips white space.
    /// - Returns: whether there was any.
    @discardableResult mutating func skipBlanks() -> Bool {
        let start = position
        while position < bytes.count, Self.isBlank(bytes[position]) { position += 1 }
        return position > start
    }

    /// Skips the XML declaration (production 23), which must not name an encoding other than UTF-8.
    mutating func skipDeclaration() throws(MarkupFault) {
        guard bytes[position...].starts(with: "<?xml".utf8), position + 5 < bytes.count,
            Self.isBlank(bytes[position + 5])
        else { return }
        position += 5
        let attributes = try attributes(in: ["version", "encoding", "standalone"])
        guard take("?>") else { throw MarkupFault("the XML declaration is not closed") }
        guard attributes["version"] == "1.0" else { throw MarkupFault("the XML version is not 1.0") }
        guard ["utf-8", "us-ascii"].contains(attributes["encoding"]?.lowercased() ?? "utf-8") else {
            throw MarkupFault("the XML declaration names an encoding other than UTF-8")
        }
        guard ["yes", "no"].contains(attributes["standalone"] ?? "no") else {
            throw MarkupFault("'standalone' in the XML declaration is neither yes nor no")
        }
    }

    /// Skips a comment or a processing instruction (productions 15 and 16), or white space.
    /// - Returns: whether there was any of these.
    mutating func skipMiscellaneous(blanks: Bool = true) throws(MarkupFault) -> Bool {
        if blanks, skipBlanks() { return true }
        if take("<!--") {
            _ = try text(upTo: "--")
            guard take(">") else { throw MarkupFault("a comment contains '--'") }
            return true
        }
        if take("<?") {
            let target = try name()
            guard
                !target.lowercased().utf8.starts(with: "xml".utf8) || ["xml-stylesheet", "xml-model"].contains(target)
            else {
                throw MarkupFault("a processing instruction has the reserved name '\(target.shown)'")
            }
            guard !target.unicodeScalars.contains(":") else {
                throw MarkupFault("the name of a processing instruction contains a colon")
            }
            guard skipBlanks() else { throw MarkupFault("a processing instruction has no content") }
            _ = try text(upTo: "?>")
            return true
        }
        if bytes[position...].starts(with: "<!".utf8), !bytes[position...].starts(with: "<![CDATA[".utf8) {
            throw MarkupFault("document type declarations are not accepted")
        }
        return false
    }

    /// Reads a name (production 5), prefix included.
    mutating func name() throws(MarkupFault) -> String {
        let start = position
        while position < bytes.count, Self.isInName(bytes[position]) { position += 1 }
        let name = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let first = name.unicodeScalars.first, name.unicodeScalars.allSatisfy(Self.isNameCharacter),
            Self.isNameStart(first)
        else {
            throw MarkupFault(isAtEnd ? "the document is truncated" : "a name is missing")
        }
        return name
    }

    /// Reads the attributes of a tag (production 41) or, with `allowed`, those of the XML declaration, which must be among
    /// these and in this order.
    mutating func attributes(in allowed: [String]? = nil) throws(MarkupFault) -> [String: String] {
        var attributes: [String: String] = [:]
        var order = allowed?[...]
        while skipBlanks(), position < bytes.count, Self.isInName(bytes[position]) {
            let name = try name()
            if let left = order {
                guard let index = left.firstIndex(of: name) else {
                    throw MarkupFault("'\(name.shown)' is not allowed here in the XML declaration")
                }
                order = left[(index + 1)...]
            }
            skipBlanks()
            guard take("=") else { throw MarkupFault("the attribute '\(name.shown)' has no value") }
            skipBlanks()
            guard attributes.updateValue(try quoted(name), forKey: name) == nil else {
                throw MarkupFault("the attribute '\(name.shown)' appears twice")
            }
        }
        return attributes
    }

    private mutating func quoted(_ name: String) throws(MarkupFault) -> String {
        guard !isAtEnd, bytes[position] == UInt8(ascii: "\"") || bytes[position] == UInt8(ascii: "'") else {
            throw MarkupFault("the value of '\(name.shown)' is not quoted")
        }
        let quote = bytes[position]
        position += 1
        let value = try characters(isAttribute: true) { $0 == quote || $0 == UInt8(ascii: "<") }
        guard !isAtEnd, bytes[position] == quote else {
            throw MarkupFault("the value of '\(name.shown)' has no closing quote")
        }
        position += 1
        return value
    }

    // MARK: - Text

    /// Reads character data up to the next markup (production 14), and resolves references.
    mutating func characterData() throws(MarkupFault) -> String {
        try characters(isAttribute: false) { $0 == UInt8(ascii: "<") }
    }

    /// Reads everything up to `end`, and skips `end`.
    mutating func text(upTo end: StaticString) throws(MarkupFault) -> String {
        let wanted = Array("\(end)".utf8)
        let start = position
        while position + wanted.count <= bytes.count {
            if bytes[position] == wanted[0], bytes[position...].starts(with: wanted) {
                defer { position += wanted.count }
                return try Self.checked(bytes[start..<position])
            }
            position += 1
        }
        throw MarkupFault("the document is truncated: '\(end)' is missing")
    }

    /// Reads text up to a byte that ends it. References are resolved (section 4.1), line ends normalised (2.11), and in
    /// attributes white space becomes spaces (3.3.3).
    private mutating func characters(
        isAttribute: Bool, until isEnd: (UInt8) -> Bool
    ) throws(MarkupFault) -> String {
        var result = ""
        var start = position
        while position < bytes.count, !isEnd(bytes[position]) {
            if bytes[position] == UInt8(ascii: "&") {
                result += try plain(start..<position, isAttribute)
                result.unicodeScalars.append(try reference())
                start = position
            } else {
                position += 1
            }
        }
        return result + (try plain(start..<position, isAttribute))
    }

    private func plain(_ range: Range<Int>, _ isAttribute: Bool) throws(MarkupFault) -> String {
        let text = try Self.checked(bytes[range])
        guard isAttribute else {
            if text.utf8.ranges(of: "]]>".utf8).first != nil { throw MarkupFault("text contains ']]>'") }
            return text
        }
        return String(decoding: text.utf8.map { Self.isBlank($0) ? 0x20 : $0 }, as: UTF8.self)
    }

    /// Reads a reference to a character (production 66) or to one of the five predefined entities.
    private mutating func reference() throws(MarkupFault) -> Unicode.Scalar {
        let rest = bytes[position...].prefix(16)
        guard let end = rest.firstIndex(of: UInt8(ascii: ";")) else {
            throw MarkupFault("a reference to an entity is not closed")
        }
        // As bytes: a combining mark would change the character before it.
        let body = Array(rest[(position + 1)..<end])
        position = end + 1
        if let entity = Self.entities.first(where: { $0.name.utf8.elementsEqual(body) }) { return entity.scalar }
        let isHex = body.starts(with: "#x".utf8)
        let digits = body.dropFirst(isHex ? 2 : 1)
        guard body.first == UInt8(ascii: "#"), digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let number = UInt32(String(decoding: digits, as: UTF8.self), radix: isHex ? 16 : 10),
            let scalar = Unicode.Scalar(number), Self.isCharacter(scalar)
        else {
            throw MarkupFault("'&\(String(decoding: body, as: UTF8.self).shown);' is not a valid reference")
        }
        return scalar
    }

    private static let entities: [(name: String, scalar: Unicode.Scalar)] = [
        ("lt", "<"), ("gt", ">"), ("amp", "&"), ("quot", "\""), ("apos", "'"),
    ]

    /// The bytes as text, with normalised line ends; all characters must be allowed in XML (production 2).
    private static func checked(_ bytes: ArraySlice<UInt8>) throws(MarkupFault) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.unicodeScalars.allSatisfy(isCharacter) else {
            throw MarkupFault("the text contains a character that XML does not allow")
        }
        guard bytes.contains(0x0D) else { return text }
        var result = String.UnicodeScalarView()
        var isAfterReturn = false
        for scalar in text.unicodeScalars {
            if scalar != "\n" || !isAfterReturn { result.append(scalar == "\r" ? "\n" : scalar) }
            isAfterReturn = scalar == "\r"
        }
        return String(result)
    }

    // MARK: - Characters

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    /// Whether a byte may be part of a name. Characters of several bytes are checked again as a whole.
    private static func isInName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x2D, 0x2E, 0x30...0x3A, 0x41...0x5A, 0x5F, 0x61...0x7A, 0x80...: true
        default: false
        }
    }

    private static func isCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }

    /// Whether `name` is a name without a colon (Namespaces in XML, production 4).
    static func isPlainName(_ name: String) -> Bool {
        guard let first = name.unicodeScalars.first, isNameStart(first) else { return false }
        return name.unicodeScalars.allSatisfy { isNameCharacter($0) && $0 != ":" }
    }

    /// Production 4.
    private static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3A, 0x41...0x5A, 0x5F, 0x61...0x7A, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2FF, 0x370...0x37D,
            0x37F...0x1FFF,
            0x200C...0x200D, 0x2070...0x218F, 0x2C00...0x2FEF, 0x3001...0xD7FF, 0xF900...0xFDCF, 0xFDF0...0xFFFD,
            0x10000...0xEFFFF:
            true
        default: false
        }
    }

    /// Production 4a.
    private static func isNameCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x2D, 0x2E, 0x30...0x39, 0xB7, 0x300...0x36F, 0x203F...0x2040: true
        default: isNameStart(scalar)
        }
    }
}
