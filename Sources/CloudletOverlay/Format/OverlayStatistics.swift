/// How many items of which kind an overlay holds, and the bytes they take before compression.
package struct OverlayStatistics: Sendable, Hashable {
    /// Items and bytes of one kind in one image.
    package struct Entry: Sendable, Hashable {
        /// Number of items.
        package var items = 0
        /// Bytes of the items before compression.
        package var bytes = 0
    }

    /// Which kind in which image.
    package struct Key: Sendable, Hashable {
        /// The kind.
        package let kind: DeltaItem.Kind
        /// The image.
        package let image: OverlayImage
    }

    /// The figures.
    package private(set) var entries: [Key: Entry] = [:]

    /// No items.
    package init() {}

    /// Counts one item.
    package mutating func add(_ kind: DeltaItem.Kind, _ image: OverlayImage, bytes: Int) {
        entries[Key(kind: kind, image: image), default: Entry()].items += 1
        entries[Key(kind: kind, image: image), default: Entry()].bytes += bytes
    }

    /// Adds the figures of another part of the overlay.
    package mutating func add(_ other: OverlayStatistics) {
        for (key, entry) in other.entries {
            entries[key, default: Entry()].items += entry.items
            entries[key, default: Entry()].bytes += entry.bytes
        }
    }

    /// The figures of one kind in one image.
    package subscript(kind: DeltaItem.Kind, image: OverlayImage) -> Entry {
        entries[Key(kind: kind, image: image)] ?? Entry()
    }

    /// All items.
    package var items: Int { entries.values.reduce(0) { $0 + $1.items } }

    /// All bytes before compression.
    package var bytes: Int { entries.values.reduce(0) { $0 + $1.bytes } }
}
