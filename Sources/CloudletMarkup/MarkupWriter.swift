// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension MarkupElement {
    /// The element as an XML document with a declaration, two spaces of indentation for each level, and attributes in
    /// alphabetical order, so that equal trees give equal bytes.
    package func document() -> String {
        var output = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        write(to: &output, depth: 0, inherited: nil)
        return output
    }

    private func write(to output: inout String, depth: Int, inherited: String?) {
        output += String(repeating: "  ", count: depth) + "<\(name)"
        if let namespace, namespace != inherited { output += " xmlns=\"\(namespace.escapedForXML)\"" }
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
            output += " \(key)=\"\(value.escapedForXML)\""
        }
        if children.isEmpty {
            output += text.isEmpty ? "/>\n" : ">\(text.escapedForXML)</\(name)>\n"
            return
        }
        output += ">\(text.escapedForXML)\n"
        for child in children { child.write(to: &output, depth: depth + 1, inherited: namespace ?? inherited) }
        output += String(repeating: "  ", count: depth) + "</\(name)>\n"
    }
}

extension String {
    /// The text with XML's special characters as entities; characters that XML 1.0 doesn't allow are left out.
    package var escapedForXML: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&apos;"
            case "\n", "\r", "\t": result += "&#\(scalar.value);"
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": continue
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
