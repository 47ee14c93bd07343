// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Rebuilds the pages of one blob from its decompressed bytes, which arrive in pieces.
///
/// Each item is checked before its page is placed: the meta must list the page for this blob, and it must occur once;
/// references must lie inside the base or name a page that this blob placed before; a patch must give exactly a page.
/// So blobs can be applied in any order and at the same time.
package struct BlobApplier {
    private var items: CheckedItems?
    private var placer: PagePlacer
    /// The items applied so far.
    package var statistics: OverlayStatistics { placer.statistics }

    /// Prepares for a blob.
    package init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry, base: BaseImages, targets: PageTargets) {
        items = CheckedItems(blob, geometry: geometry)
        placer = PagePlacer(base: base, targets: targets)
    }

    /// Reads the next piece of the decompressed blob and places the pages that it completes. The last pages are held back
    /// until the next piece or ``finish()``.
    /// - Throws: `CloudletError.badData` with blob, item and byte, or the error of a target. The applier can't be used
    ///   after that.
    package mutating func apply(_ bytes: Span<UInt8>) throws(CloudletError) {
        guard var items = items.take() else { throw CloudletError(.defect, "got bytes for a blob that was refused") }
        try items.feed(bytes) { (item, payload) throws(CloudletError) in try placer.place(item, payload) }
        self.items = items
    }

    /// Places the pages that were held back.
    /// - Throws: `CloudletError.badData` when the blob ended inside an item or lacks some of its pages, or the error of a
    ///   target.
    package mutating func finish() throws(CloudletError) {
        try items?.finish()
        try placer.flush()
    }
}
