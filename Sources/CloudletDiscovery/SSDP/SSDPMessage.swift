/// A message of SSDP: a start line and headers, as in HTTP, in one datagram (UDA 2.0 §1.1).
package struct SSDPMessage: Hashable, Sendable {
    /// The first line.
    package var startLine: StartLine
    /// Header fields in order; names are compared without case.
    package var headers: [(name: String, value: String)]

    /// What kind of message it is.
    package enum StartLine: String, Hashable, Sendable {
        case search = "M-SEARCH * HTTP/1.1"
        case notify = "NOTIFY * HTTP/1.1"
        case response = "HTTP/1.1 200 OK"
    }

    /// The largest datagram that is looked at; genuine ones stay below 1,500 bytes.
    package static let maximumBytes = 9000
    /// The longest line that is read.
    private static let maximumLine = 2048
    private static let maximumHeaders = 48

    /// A message from its parts.
    package init(_ startLine: StartLine, _ headers: [(name: String, value: String)]) {
        self.startLine = startLine
        self.headers = headers
    }

    /// Reads a datagram from anybody. A header that is none (without name, with control characters, no UTF-8, too long)
    /// is left out, and the others count.
    ///
    /// `nil` for what is no complete SSDP message: another first line, no blank line at the end, no header that can be
    /// read, too much of anything.
    package init?(_ datagram: [UInt8]) {
        guard datagram.count <= Self.maximumBytes else { return nil }
        var lines: [ArraySlice<UInt8>] = []
        var rest = datagram[...]
        while true {
            guard let end = rest.firstIndex(of: 0x0A) else { return nil }
            var line = rest[..<end]
            if line.last == 0x0D { line = line.dropLast() }
            // What follows the blank line would be a body, which SSDP has none of.
            if line.isEmpty, !lines.isEmpty { break }
            lines.append(line)
            if lines.count > Self.maximumHeaders { return nil }
            rest = rest[(end + 1)...]
        }
        guard let first = lines.first.flatMap(Self.text), let startLine = StartLine(parsing: first) else { return nil }
        self.startLine = startLine
        headers = lines.dropFirst().compactMap(Self.header)
        if headers.isEmpty { return nil }
    }

    /// A header field; `nil` for what is none.
    private static func header(_ line: ArraySlice<UInt8>) -> (name: String, value: String)? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon != line.startIndex,
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let value = text(line[(colon + 1)...].trimmed)
        else { return nil }
        return (String(decoding: line[..<colon], as: UTF8.self), value)
    }

    /// A line's text; `nil` when it is too long, has control characters or is no UTF-8.
    private static func text(_ line: ArraySlice<UInt8>) -> String? {
        guard line.count <= maximumLine, line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return nil }
        return String(validating: line, as: UTF8.self)
    }

    /// The value of the first header with this name.
    package subscript(_ name: String) -> String? {
        headers.first { $0.name.utf8.elementsEqual(name.utf8, by: { Self.folded($0) == Self.folded($1) }) }?.value
    }

    /// The datagram.
    package var bytes: [UInt8] {
        var text = startLine.rawValue + "\r\n"
        for header in headers {
            text += header.value.isEmpty ? "\(header.name):\r\n" : "\(header.name): \(header.value)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    package static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    private static func folded(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}

extension SSDPMessage.StartLine {
    /// The exact request lines; of answers any reason phrase.
    fileprivate init?(parsing line: String) {
        if let exact = Self(rawValue: line) {
            self = exact
        } else if line.hasPrefix("HTTP/1.1 200") || line.hasPrefix("HTTP/1.0 200") {
            self = .response
        } else {
            return nil
        }
    }
}

extension ArraySlice<UInt8> {
    /// Without blanks and tabs at both ends.
    fileprivate var trimmed: ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return []
        }
        return self[first...last]
    }
}
