package import CloudletCore

/// Rebuilds the pages of one blob from its decompressed bytes, which arrive in pieces.
///
/// Everything is checked before anything is placed: each item belongs to a page the meta lists for this blob and
/// comes once; references stay inside the base or lead to a page this blob placed before; patches give exactly a page.
/// So blobs can be applied in any order and at the same time.
package struct BlobApplier {
    private var items: CheckedItems?
    private var placer: PagePlacer
    /// What was applied so far.
    package var statistics: OverlayStatistics { placer.statistics }

    /// Prepares for a blob.
    package init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry, base: BaseImages, targets: PageTargets) {
        items = CheckedItems(blob, geometry: geometry)
        placer = PagePlacer(base: base, targets: targets)
    }

    /// Takes the next piece of the decompressed blob and places the pages it completes, the last of them with the
    /// next piece or at the end.
    /// - Throws: `CloudletError.badData` that names blob, item and byte; or what a target throws. Nothing can be
    ///   applied after that.
    package mutating func apply(_ bytes: Span<UInt8>) throws(CloudletError) {
        guard var items = items.take() else { throw CloudletError(.defect, "bytes for a blob that was refused") }
        try items.feed(bytes) { (item, payload) throws(CloudletError) in try placer.place(item, payload) }
        self.items = items
    }

    /// Places what is left.
    /// - Throws: `CloudletError.badData` when the blob ended inside an item or before all its pages came; or what a
    ///   target throws.
    package mutating func finish() throws(CloudletError) {
        try items?.finish()
        try placer.flush()
    }
}
