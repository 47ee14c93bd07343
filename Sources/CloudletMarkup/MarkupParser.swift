public import CloudletCore
import Foundation
import FoundationXML

/// Reads XML documents that nobody vouches for: bounded in size, depth and number of elements, no document type
/// declaration, no entities but the five predefined ones, nothing is loaded from anywhere, and a document that is cut
/// off or malformed is an error.
public struct MarkupParser: Sendable {
    /// Largest accepted document in bytes.
    public var maximumBytes = 256 << 10
    /// Deepest accepted nesting.
    public var maximumDepth = 32
    /// Largest accepted number of elements.
    public var maximumElements = 4096

    /// A parser with the default limits.
    public init() {}

    /// The root element of a document.
    /// - Throws: `CloudletError.badData` that says what is wrong in which line.
    public func parse(_ document: [UInt8]) throws(CloudletError) -> MarkupElement {
        guard document.count <= maximumBytes else {
            throw CloudletError(
                .badData, "XML document of \(document.count) bytes is larger than the allowed \(maximumBytes)")
        }
        try Self.requirePlainUTF8(document)
        let parser = XMLParser(data: Data(document))
        parser.shouldResolveExternalEntities = false
        parser.shouldProcessNamespaces = true
        let builder = TreeBuilder(maximumDepth: maximumDepth, maximumElements: maximumElements)
        parser.delegate = builder
        let accepted = parser.parse()
        if let refusal = builder.refusal {
            throw CloudletError(.badData, "XML document, line \(parser.lineNumber): \(refusal)")
        }
        // `parse()` answers true for documents that are cut off; only `parserError` and a closed root tell.
        guard accepted, parser.parserError == nil, let root = builder.root, builder.open.isEmpty else {
            throw CloudletError(.badData, "malformed XML document, line \(parser.lineNumber)")
        }
        return root
    }

    /// Refuses what Foundation's parser would take without telling: document type declarations (it reports none of
    /// them) and encodings in which one could hide.
    private static func requirePlainUTF8(_ document: [UInt8]) throws(CloudletError) {
        guard let text = String(validating: document, as: UTF8.self), !document.contains(0) else {
            throw CloudletError(.badData, "XML document is not UTF-8")
        }
        if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
            throw CloudletError(.badData, "XML document has a document type declaration, which is not accepted")
        }
        guard !hasBareInstruction(document) else {
            throw CloudletError(.badData, "XML document has a processing instruction without content")
        }
        let declaration = text.hasPrefix("<?xml") ? text.prefix { $0 != ">" }.lowercased() : ""
        if declaration.contains("encoding"), !declaration.contains("utf-8"), !declaration.contains("us-ascii") {
            throw CloudletError(.badData, "XML document declares an encoding other than UTF-8")
        }
    }

    /// Whether there is a processing instruction of a target alone, `<?name?>`, upon which Foundation's parser ends the
    /// process: it takes the content that is not there for a string.
    private static func hasBareInstruction(_ document: [UInt8]) -> Bool {
        var rest = document[...]
        while let start = rest.firstIndex(of: UInt8(ascii: "<")) {
            rest = rest[(start + 1)...]
            guard rest.first == UInt8(ascii: "?") else { continue }
            rest = rest.dropFirst()
            let end = rest.first { [0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: "?")].contains($0) }
            if end == UInt8(ascii: "?") { return true }
        }
        return false
    }

    /// The root element of a document given as text.
    public func parse(_ document: String) throws(CloudletError) -> MarkupElement { try parse(Array(document.utf8)) }
}

/// Builds the tree from the parser's events.
private final class TreeBuilder: NSObject, XMLParserDelegate {
    let maximumDepth: Int
    let maximumElements: Int
    var open: [MarkupElement] = []
    var root: MarkupElement?
    var refusal: String?
    private var count = 0

    init(maximumDepth: Int, maximumElements: Int) {
        self.maximumDepth = maximumDepth
        self.maximumElements = maximumElements
    }

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        count += 1
        if open.count >= maximumDepth { return refuse(parser, "nested deeper than \(maximumDepth) levels") }
        if count > maximumElements { return refuse(parser, "more than \(maximumElements) elements") }
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
        if !open.isEmpty { open[open.count - 1].text += String(decoding: block, as: UTF8.self) }
    }

    private func refuse(_ parser: XMLParser, _ reason: String) {
        if refusal == nil { refusal = reason }
        parser.abortParsing()
    }
}
