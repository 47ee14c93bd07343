public import CloudletCore

/// Rebuilds the pages of one blob from its decompressed bytes, which arrive in pieces.
///
/// Everything is checked before anything is placed: each item belongs to a page the meta lists for this blob and
/// comes once; references stay inside the base or lead to a page this blob placed before; patches give exactly a page.
/// So blobs can be applied in any order and at the same time.
public struct BlobApplier {
    private let blob: OverlayMeta.Blob
    private let base: BaseImages
    private let targets: PageTargets
    private var reader: DeltaItemReader
    private var expected: [OverlayImage: ExpectedPages]
    private var page = [UInt8](repeating: 0, count: Page.size)
    /// What was applied so far.
    public private(set) var statistics = OverlayStatistics()

    /// Prepares for a blob.
    public init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry, base: BaseImages, targets: PageTargets) {
        self.blob = blob
        self.base = base
        self.targets = targets
        reader = DeltaItemReader(geometry)
        expected = [.memory: ExpectedPages(blob.memoryChunks), .disk: ExpectedPages(blob.diskChunks)]
    }

    /// Takes the next piece of the decompressed blob and places every page it completes.
    /// - Throws: `CloudletError.badData` that names blob, item and byte; or what a target throws.
    public mutating func apply(_ bytes: Span<UInt8>) throws(CloudletError) {
        var reader = reader
        defer { self.reader = reader }
        do throws(DeltaReadFailure) {
            try reader.feed(bytes) { (item, payload) throws(CloudletError) in try apply(item, payload) }
        } catch {
            switch error {
            case .format(let error): throw error.located(in: blob.name)
            case .consumer(let error):
                guard let format = error.cause as? ItemProblem else { throw error }
                throw OverlayFormatError(format.problem, item: reader.itemIndex, byte: reader.byteOffset)
                    .located(in: blob.name)
            }
        }
    }

    /// Fails when the blob ended inside an item or before all its pages came.
    public func finish() throws(CloudletError) {
        do throws(OverlayFormatError) {
            try reader.finish()
            let missing = expected.values.reduce(0) { $0 + $1.missing }
            if missing > 0 {
                throw OverlayFormatError(.missingChunks(missing), item: reader.itemIndex, byte: reader.byteOffset)
            }
        } catch {
            throw error.located(in: blob.name)
        }
    }

    private mutating func apply(_ item: DeltaItem, _ payload: Span<UInt8>) throws(CloudletError) {
        switch expected[item.image]?.arrive(item.page) {
        case .arrived: break
        case .repeated: throw ItemProblem.error(.repeatedChunk(item.image, item.page))
        default: throw ItemProblem.error(.unlistedChunk(item.image, item.page))
        }
        let target = targets[item.image]
        switch item.content {
        case .zeros: try target.placeZeros(item.length, at: item.offset)
        case .raw: try target.place(payload, at: item.offset)
        case .baseDisk(let offset): try placeFromBase(.disk, offset, item)
        case .baseMemory(let offset): try placeFromBase(.memory, offset, item)
        case .sameAs(let image, let offset):
            guard expected[image]?.hasArrived(offset / Page.size) == true, offset != item.offset || image != item.image
            else { throw ItemProblem.error(.selfReferenceUnknown(UInt64(offset) << 1 | UInt64(image.rawValue))) }
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

/// Carries a format problem through the consumer's error type until item and byte are added.
private struct ItemProblem: Error {
    let problem: OverlayFormatError.Problem

    static func error(_ problem: OverlayFormatError.Problem) -> CloudletError {
        CloudletError(.badData, "bad item", cause: ItemProblem(problem: problem))
    }
}

/// The pages a blob must bring, and which have come.
private struct ExpectedPages {
    enum Arrival {
        case arrived
        case repeated
        case unknown
    }

    private let sorted: [UInt32]
    private var arrived: PageSet

    init(_ chunks: [UInt32]) {
        sorted = chunks.sorted()
        arrived = PageSet(bound: chunks.count)
    }

    var missing: Int { sorted.count - arrived.count }

    func hasArrived(_ page: Int) -> Bool { position(of: page).map(arrived.contains) ?? false }

    mutating func arrive(_ page: Int) -> Arrival {
        guard let position = position(of: page) else { return .unknown }
        return arrived.insert(position) ? .arrived : .repeated
    }

    private func position(of page: Int) -> Int? {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if Int(sorted[middle]) < page { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && Int(sorted[low]) == page ? low : nil
    }
}
