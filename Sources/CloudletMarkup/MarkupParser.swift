// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Reads XML documents from untrusted sources. Size, depth and number of elements are bounded; document type declarations
/// and entities other than the five predefined ones are refused; nothing is loaded from elsewhere; a truncated or malformed
/// document is an error. Source: XML 1.0 (fifth edition) without the document types of section 2.8, Namespaces in XML 1.0.
///
/// Foundation's parser is not used because it adds libxml2 and ICU (40 MB) to every program, including the client, ends
/// the process at some processing instructions, and accepts truncated documents.
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
    /// - Throws: `CloudletError.badData` with the reason and the line.
    package func parse(_ document: [UInt8]) throws(CloudletError) -> MarkupElement {
        guard document.count <= maximumBytes else {
            throw CloudletError(
                .badData, "the XML document has \(document.count) bytes, more than the limit of \(maximumBytes)")
        }
        guard String(validating: document, as: UTF8.self) != nil else {
            throw CloudletError(.badData, "the XML document is not UTF-8")
        }
        var scanner = MarkupScanner(document)
        do throws(MarkupFault) { return try root(&scanner) } catch {
            throw CloudletError(.badData, "the XML document is not valid: line \(scanner.line): \(error.reason)")
        }
    }

    /// The root element of a document given as text.
    package func parse(_ document: String) throws(CloudletError) -> MarkupElement { try parse(Array(document.utf8)) }

    private func root(_ scanner: inout MarkupScanner) throws(MarkupFault) -> MarkupElement {
        try scanner.skipDeclaration()
        var tree = MarkupTree(maximumDepth: maximumDepth, maximumElements: maximumElements)
        while !tree.isComplete { try read(&scanner, into: &tree) }
        while !scanner.isAtEnd {
            guard try scanner.skipMiscellaneous() else { throw MarkupFault("there is content after the root element") }
        }
        return try tree.finish()
    }

    /// Reads one tag, comment, processing instruction or run of text.
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
            throw MarkupFault(
                scanner.isAtEnd ? "the root element is missing" : "there is text outside the root element")
        }
        guard !scanner.isAtEnd else { throw MarkupFault("the document is truncated") }
        tree.add(try scanner.characterData())
    }
}
