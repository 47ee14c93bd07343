/// An XML element as a small value tree: name, namespace, attributes, children, text. Comments, processing
/// instructions and the position of text between children are not kept.
public struct MarkupElement: Hashable, Sendable {
    /// The name without prefix.
    public var name: String
    /// The namespace the element is in, or `nil`.
    public var namespace: String?
    /// Attributes by their qualified name, namespace declarations left out.
    public var attributes: [String: String]
    /// Child elements in document order.
    public var children: [MarkupElement]
    /// All character data directly inside the element, joined and stripped of white space at both ends.
    public var text: String

    /// Creates an element.
    public init(
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
    public func child(_ name: String) -> MarkupElement? { children.first { $0.name == name } }

    /// All children with this name.
    public func children(_ name: String) -> [MarkupElement] { children.filter { $0.name == name } }

    /// The first element reached by following child names.
    public func descendant(_ path: String...) -> MarkupElement? {
        var current: MarkupElement? = self
        for name in path { current = current?.child(name) }
        return current
    }

    /// The text of the first child with this name.
    public func text(of name: String) -> String? { child(name)?.text }
}
