// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// An XML element as a value: name, namespace, attributes, children, text. Comments, processing instructions and the
/// position of text between children are dropped.
package struct MarkupElement: Hashable, Sendable {
    /// The name without prefix.
    package var name: String
    /// The namespace the element is in, or `nil`.
    package var namespace: String?
    /// Attributes by their qualified name, without namespace declarations.
    package var attributes: [String: String]
    /// Child elements in document order.
    package var children: [MarkupElement]
    /// All character data directly inside the element, joined and stripped of white space at both ends.
    package var text: String

    /// Creates an element.
    package init(
        _ name: String, namespace: String? = nil, attributes: [String: String] = [:], text: String = "",
        children: [MarkupElement] = []
    ) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.children = children
        self.text = text
    }

    /// The first child with this name.
    package func child(_ name: String) -> MarkupElement? { children.first { $0.name == name } }

    /// All children with this name.
    package func children(_ name: String) -> [MarkupElement] { children.filter { $0.name == name } }

    /// The first element reached by following child names.
    package func descendant(_ path: String...) -> MarkupElement? {
        var current: MarkupElement? = self
        for name in path { current = current?.child(name) }
        return current
    }

    /// The text of the first child with this name.
    package func text(of name: String) -> String? { child(name)?.text }
}
