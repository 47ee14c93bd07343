package import CloudletCore

/// Reads XML documents that nobody vouches for: bounded in size, depth and number of elements, no document type
/// declaration, no entities but the five predefined ones, nothing is loaded from anywhere, and a document that is cut
/// off or malformed is an error. Source: XML 1.0 (fifth edition) without section 2.8's document types, Namespaces in XML
/// 1.0.
///
/// The reader is ours because Foundation's brings libxml2, ICU and their 40 MB into every program, the client's included,
/// ends the process at some instructions, and takes documents that are cut off.
package struct MarkupParser: Sendable {
    /// Largest accepted document in bytes.
    package var maximumBytes = 256 << 10
    /// Deepest accepted nesting.
    package var maximumDepth = 32
    /// Largest accepted number of elements.
    package var maximumElements = 4096

    /// A parser with the default limits.
    package init() {}

    /// The root element of a document.
    /// - Throws: `CloudletError.badData` that says what is wrong in which line.
    package func parse(_ document: [UInt8]) throws(CloudletError) -> MarkupElement {
        guard document.count <= maximumBytes else {
            throw CloudletError(
                .badData, "XML document of \(document.count) bytes is larger than the allowed \(maximumBytes)")
        }
        guard String(validating: document, as: UTF8.self) != nil else {
            throw CloudletError(.badData, "XML document is not UTF-8")
        }
        var scanner = MarkupScanner(document)
        do throws(MarkupFault) { return try root(&scanner) } catch {
            throw CloudletError(.badData, "XML document, line \(scanner.line): \(error.reason)")
        }
    }

    /// The root element of a document given as text.
    package func parse(_ document: String) throws(CloudletError) -> MarkupElement { try parse(Array(document.utf8)) }

    private func root(_ scanner: inout MarkupScanner) throws(MarkupFault) -> MarkupElement {
        try scanner.skipDeclaration()
        var tree = MarkupTree(maximumDepth: maximumDepth, maximumElements: maximumElements)
        while !tree.isComplete { try read(&scanner, into: &tree) }
        while !scanner.isAtEnd {
            guard try scanner.skipMiscellaneous() else { throw MarkupFault("something follows the root element") }
        }
        return try tree.finish()
    }

    /// Takes one tag, comment, instruction or run of text.
    private func read(_ scanner: inout MarkupScanner, into tree: inout MarkupTree) throws(MarkupFault) {
        if try scanner.skipMiscellaneous(blanks: !tree.isOpen) { return }
        if tree.isOpen, scanner.take("<![CDATA[") { return tree.add(try scanner.text(upTo: "]]>")) }
        if scanner.take("</") {
            let name = try scanner.name()
            scanner.skipBlanks()
            guard scanner.take(">") else { throw MarkupFault("the end tag '\(name.shown)' is not closed") }
            return try tree.close(name)
        }
        if scanner.take("<") {
            let name = try scanner.name()
            let attributes = try scanner.attributes()
            try tree.open(name, attributes)
            if scanner.take("/>") { return try tree.close(name) }
            guard scanner.take(">") else { throw MarkupFault("the tag '\(name.shown)' is not closed") }
            return
        }
        guard tree.isOpen else {
            throw MarkupFault(scanner.isAtEnd ? "it has no root element" : "text outside the root")
        }
        guard !scanner.isAtEnd else { throw MarkupFault("it is cut off") }
        tree.add(try scanner.characterData())
    }
}

/// What is wrong with a document.
struct MarkupFault: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

extension String {
    /// The text for a message about it.
    var shown: String { displayable(limit: 60) }
}
