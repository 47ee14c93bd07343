// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// An M-SEARCH, correct unless changed; `nil` omits a header.
struct SearchText: Sendable {
    var startLine = "M-SEARCH * HTTP/1.1"
    var host: String? = "239.255.255.250:1900"
    var man: String? = "\"ssdp:discover\""
    var mx: String? = "1"
    var target: String?

    init(_ target: String?) { self.target = target }

    /// Creates a search and changes some of its headers.
    init(_ target: String?, _ change: (inout SearchText) -> Void) {
        self.target = target
        change(&self)
    }

    var text: String {
        var lines = [startLine]
        for (name, value) in [("HOST", host), ("MAN", man), ("MX", mx), ("ST", target)] {
            if let value { lines.append("\(name): \(value)") }
        }
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }
}
