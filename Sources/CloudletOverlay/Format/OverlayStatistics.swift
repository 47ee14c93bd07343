/// How many items of which kind an overlay holds, and the bytes they take before compression.
public struct OverlayStatistics: Sendable, Hashable {
    /// Items and bytes of one kind in one image.
    public struct Entry: Sendable, Hashable {
        /// Number of items.
        public var items = 0
        /// Bytes of the items before compression.
        public var bytes = 0
    }

    /// Which kind in which image.
    public struct Key: Sendable, Hashable {
        /// The kind.
        public let kind: DeltaItem.Kind
        /// The image.
        public let image: OverlayImage
    }

    /// The figures.
    public private(set) var entries: [Key: Entry] = [:]

    /// No items.
    public init() {}

    /// Counts one item.
    public mutating func add(_ kind: DeltaItem.Kind, _ image: OverlayImage, bytes: Int) {
        entries[Key(kind: kind, image: image), default: Entry()].items += 1
        entries[Key(kind: kind, image: image), default: Entry()].bytes += bytes
    }

    /// Adds the figures of another part of the overlay.
    public mutating func add(_ other: OverlayStatistics) {
        for (key, entry) in other.entries {
            entries[key, default: Entry()].items += entry.items
            entries[key, default: Entry()].bytes += entry.bytes
        }
    }

    /// The figures of one kind in one image.
    public subscript(kind: DeltaItem.Kind, image: OverlayImage) -> Entry {
        entries[Key(kind: kind, image: image)] ?? Entry()
    }

    /// All items.
    public var items: Int { entries.values.reduce(0) { $0 + $1.items } }

    /// All bytes before compression.
    public var bytes: Int { entries.values.reduce(0) { $0 + $1.bytes } }
}
