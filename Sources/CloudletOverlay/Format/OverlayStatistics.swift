// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// How many items of each kind an overlay contains, and how many bytes they take before compression.
package struct OverlayStatistics: Sendable, Hashable {
    /// Items and bytes of one kind in one image.
    package struct Entry: Sendable, Hashable {
        /// The number of items.
        package var items = 0
        /// The size of the items before compression, in bytes.
        package var bytes = 0
    }

    /// A kind of items in an image.
    package struct Key: Sendable, Hashable {
        /// The kind.
        package let kind: DeltaItem.Kind
        /// The image.
        package let image: OverlayImage
    }

    /// The counts by kind and image.
    package private(set) var entries: [Key: Entry] = [:]

    /// Creates empty statistics.
    package init() {}

    /// Counts one item.
    package mutating func add(_ kind: DeltaItem.Kind, _ image: OverlayImage, bytes: Int) {
        entries[Key(kind: kind, image: image), default: Entry()].items += 1
        entries[Key(kind: kind, image: image), default: Entry()].bytes += bytes
    }

    /// Adds the counts of another part of the overlay.
    package mutating func add(_ other: OverlayStatistics) {
        for (key, entry) in other.entries {
            entries[key, default: Entry()].items += entry.items
            entries[key, default: Entry()].bytes += entry.bytes
        }
    }

    /// The counts of one kind in one image.
    package subscript(kind: DeltaItem.Kind, image: OverlayImage) -> Entry {
        entries[Key(kind: kind, image: image)] ?? Entry()
    }

    /// The number of all items.
    package var items: Int { entries.values.reduce(0) { $0 + $1.items } }

    /// The size of all items before compression, in bytes.
    package var bytes: Int { entries.values.reduce(0) { $0 + $1.bytes } }
}
