// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletMarkup
import Foundation
import FoundationXML

/// Foundation's parser (libxml2), to which ours is compared. It accepts truncated documents and ends the process at a
/// processing instruction without content, so tests must not give it either.
final class FoundationReader: NSObject, XMLParserDelegate {
    private var open: [MarkupElement] = []
    private var root: MarkupElement?

    /// The tree of a document; `nil` when Foundation refuses the document.
    static func parse(_ document: [UInt8]) -> MarkupElement? {
        let parser = XMLParser(data: Data(document))
        parser.shouldResolveExternalEntities = false
        parser.shouldProcessNamespaces = true
        let reader = FoundationReader()
        parser.delegate = reader
        guard parser.parse(), parser.parserError == nil, reader.open.isEmpty else { return nil }
        return reader.root
    }

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        let kept = attributes.filter { $0.key != "xmlns" && !$0.key.hasPrefix("xmlns:") }
        let namespace = namespaceURI.flatMap { $0.isEmpty ? nil : $0 }
        open.append(MarkupElement(elementName, namespace: namespace, attributes: kept))
    }

    func parser(_ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?) {
        guard var closed = open.popLast() else { return }
        closed.text = closed.text.trimmingCharacters(in: .whitespacesAndNewlines)
        if open.isEmpty { root = closed } else { open[open.count - 1].children.append(closed) }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        if !open.isEmpty { open[open.count - 1].text += string }
    }

    func parser(_ parser: XMLParser, foundCDATA block: Data) {
        // libxml2 does not normalise line ends here (XML 1.0, section 2.11).
        let text = String(decoding: block, as: UTF8.self).replacingOccurrences(of: "\r\n", with: "\n")
        if !open.isEmpty { open[open.count - 1].text += text.replacingOccurrences(of: "\r", with: "\n") }
    }
}
