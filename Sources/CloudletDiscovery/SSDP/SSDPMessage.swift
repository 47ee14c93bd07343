// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// An SSDP message: a start line and headers as in HTTP, in one datagram (UDA 2.0 §1.1).
package struct SSDPMessage: Hashable, Sendable {
    /// The first line.
    package var startLine: StartLine
    /// The header fields in order; comparison of names ignores case.
    package var headers: [(name: String, value: String)]

    /// The kind of message.
    package enum StartLine: String, Hashable, Sendable {
        case search = "M-SEARCH * HTTP/1.1"
        case notify = "NOTIFY * HTTP/1.1"
        case response = "HTTP/1.1 200 OK"
    }

    /// The largest datagram to read; genuine ones stay below 1,500 bytes.
    package static let maximumBytes = 9000
    /// The longest line to read.
    private static let maximumLine = 2048
    private static let maximumHeaders = 48

    /// Creates a message.
    package init(_ startLine: StartLine, _ headers: [(name: String, value: String)]) {
        self.startLine = startLine
        self.headers = headers
    }

    /// Reads a datagram from the network. It skips invalid headers (without name, with control characters, not UTF-8, too
    /// long) and keeps the others.
    ///
    /// `nil` when the datagram is not a complete SSDP message: it has another first line, no blank line at the end, no
    /// valid header, or exceeds a limit.
    package init?(_ datagram: [UInt8]) {
        guard datagram.count <= Self.maximumBytes else { return nil }
        var lines: [ArraySlice<UInt8>] = []
        var rest = datagram[...]
        while true {
            guard let end = rest.firstIndex(of: 0x0A) else { return nil }
            var line = rest[..<end]
            if line.last == 0x0D { line = line.dropLast() }
            // A body would follow here, which SSDP messages do not have.
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

    /// Reads a header field; `nil` when it is invalid.
    private static func header(_ line: ArraySlice<UInt8>) -> (name: String, value: String)? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon != line.startIndex,
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let value = text(line[(colon + 1)...].trimmed)
        else { return nil }
        return (String(decoding: line[..<colon], as: UTF8.self), value)
    }

    /// Reads a line's text; `nil` when it is too long, has control characters or is not UTF-8.
    private static func text(_ line: ArraySlice<UInt8>) -> String? {
        guard line.count <= maximumLine, line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return nil }
        return String(validating: line, as: UTF8.self)
    }

    /// The value of the first header of a name.
    package subscript(_ name: String) -> String? {
        headers.first { $0.name.utf8.elementsEqual(name.utf8, by: { Self.folded($0) == Self.folded($1) }) }?.value
    }

    /// The message as a datagram.
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
    /// Accepts the exact request lines, and responses with any reason phrase.
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
    /// The bytes without spaces and tabs at both ends.
    fileprivate var trimmed: ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return []
        }
        return self[first...last]
    }
}
