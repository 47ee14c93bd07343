public import CloudletCore

/// Rebuilds the pages of one blob from its decompressed bytes, which arrive in pieces.
///
/// Everything is checked before anything is placed: each item belongs to a page the meta lists for this blob and
/// comes once; references stay inside the base or lead to a page this blob placed before; patches give exactly a page.
/// So blobs can be applied in any order and at the same time.
public struct BlobApplier {
    private var items: CheckedItems?
    private var placer: PagePlacer
    /// What was applied so far.
    public var statistics: OverlayStatistics { placer.statistics }

    /// Prepares for a blob.
    public init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry, base: BaseImages, targets: PageTargets) {
        items = CheckedItems(blob, geometry: geometry)
        placer = PagePlacer(base: base, targets: targets)
    }

    /// Takes the next piece of the decompressed blob and places every page it completes.
    /// - Throws: `CloudletError.badData` that names blob, item and byte; or what a target throws. Nothing can be
    ///   applied after that.
    public mutating func apply(_ bytes: Span<UInt8>) throws(CloudletError) {
        guard var items = items.take() else { throw CloudletError(.defect, "bytes for a blob that was refused") }
        try items.feed(bytes) { (item, payload) throws(CloudletError) in try placer.place(item, payload) }
        self.items = items
    }

    /// Fails when the blob ended inside an item or before all its pages came.
    public func finish() throws(CloudletError) { try items?.finish() }
}

/// Places pages of which is known that they belong to their blob.
private struct PagePlacer {
    let base: BaseImages
    let targets: PageTargets
    private var page = [UInt8](repeating: 0, count: Page.size)
    private(set) var statistics = OverlayStatistics()

    init(base: BaseImages, targets: PageTargets) {
        self.base = base
        self.targets = targets
    }

    mutating func place(_ item: DeltaItem, _ payload: Span<UInt8>) throws(CloudletError) {
        let target = targets[item.image]
        switch item.content {
        case .zeros: try target.placeZeros(item.length, at: item.offset)
        case .raw: try target.place(payload, at: item.offset)
        case .baseDisk(let offset): try placeFromBase(.disk, offset, item)
        case .baseMemory(let offset): try placeFromBase(.memory, offset, item)
        case .sameAs(let image, let offset):
            try targets[image].read(into: &page, count: item.length, at: offset)
            try target.place(page.span.extracting(0..<item.length), at: item.offset)
        case .xdelta:
            let count = try base.readPage(of: item.image, at: item.offset, into: &page)
            let result: [UInt8]
            do throws(VCDIFFError) {
                let source = page.span.extracting(0..<min(count, item.length))
                result = try VCDIFFDecoder.decode(payload, source: source, length: item.length)
            } catch {
                throw ItemProblem.error(.badPatch(error.description))
            }
            try target.place(result.span, at: item.offset)
        }
        statistics.add(item.content.kind, item.image, bytes: item.headerBytes + payload.count)
    }

    private mutating func placeFromBase(_ image: OverlayImage, _ offset: Int, _ item: DeltaItem) throws(CloudletError) {
        let count = try base.readPage(of: image, at: offset, into: &page)
        guard count == item.length else { throw ItemProblem.error(.referenceOutOfRange(image, UInt64(offset))) }
        try targets[item.image].place(page.span.extracting(0..<count), at: item.offset)
    }
}

/// The targets of both images.
public struct PageTargets: Sendable {
    /// Takes the pages of the memory snapshot.
    public let memory: any PageTarget
    /// Takes the pages of the disk.
    public let disk: any PageTarget

    /// Joins two targets.
    public init(memory: any PageTarget, disk: any PageTarget) {
        self.memory = memory
        self.disk = disk
    }

    subscript(image: OverlayImage) -> any PageTarget { image == .memory ? memory : disk }
}
