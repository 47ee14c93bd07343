package import CloudletCore

/// Encodes the items of one blob of a plan.
package struct BlobWriter {
    /// What a blob's items describe, for the meta.
    package struct Contents: Sendable {
        /// Pages of the disk, in item order.
        package var diskChunks: [UInt32] = []
        /// Pages of the memory snapshot, in item order.
        package var memoryChunks: [UInt32] = []
        /// Items, and bytes before compression, by kind.
        package var statistics = OverlayStatistics()
    }

    private let plan: OverlayPlan
    private var bytes: [UInt8] = []
    private var pages = OwnPages()
    private var encoder = VCDIFFEncoder()
    private var contents = Contents()

    /// A patch pays when it is at most this long: a longer one is no smaller after compression than the page.
    private static let longestPatch = Page.size / 2
    private static let pieceBytes = 64 << 10

    /// Hands the items of blob `number` of `plan` to `body`, before compression, in pieces of about 64 KiB.
    package static func write(
        blob number: Int, of plan: OverlayPlan, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) -> Contents {
        var writer = BlobWriter(plan)
        let run = plan.runs[number]
        var copy = plan.copyRange(of: run).lowerBound
        for index in run {
            guard plan.records[index].content != .same else { continue }
            try writer.append(index)
            while copy < plan.copies.count, plan.copyOwners[copy] == index {
                try writer.append(plan.copies[copy])
                copy += 1
            }
            if writer.bytes.count >= pieceBytes {
                try body(writer.bytes.span)
                writer.bytes.removeAll(keepingCapacity: true)
            }
        }
        try body(writer.bytes.span)
        return writer.contents
    }

    private init(_ plan: OverlayPlan) { self.plan = plan }

    private mutating func append(_ index: Int) throws(CloudletError) {
        let record = plan.records[index]
        guard let image = plan.images[record.image] else { return }
        let length = min(Page.size, image.size - record.offset)
        let start = bytes.count
        func item(_ content: DeltaItem.Content) -> DeltaItem {
            DeltaItem(record.image, offset: record.offset, length: length, content)
        }
        let kind: DeltaItem.Kind
        switch record.content {
        case .zeros where length < Page.size:
            // Zeros are a whole page to the original, whatever length the item names.
            item(.raw(payload: length)).appendHeader(to: &bytes)
            bytes += repeatElement(0, count: length)
            kind = .raw
        case .zeros:
            item(.zeros).appendHeader(to: &bytes)
            kind = .zeros
        case .baseMemory:
            item(.baseMemory(offset: Int(record.value))).appendHeader(to: &bytes)
            kind = .baseMemory
        case .baseDisk:
            item(.baseDisk(offset: Int(record.value))).appendHeader(to: &bytes)
            kind = .baseDisk
        case .same:
            let target = plan.records[Int(record.value)]
            item(.sameAs(target.image, offset: target.offset)).appendHeader(to: &bytes)
            kind = .sameAs
        case .own:
            kind = try appendOwn(index, length)
        }
        if record.image == .memory {
            contents.memoryChunks.append(record.page)
        } else {
            contents.diskChunks.append(record.page)
        }
        contents.statistics.add(kind, record.image, bytes: bytes.count - start)
    }

    private mutating func appendOwn(_ index: Int, _ length: Int) throws(CloudletError) -> DeltaItem.Kind {
        let record = plan.records[index]
        try pages.load(index, of: plan)
        let place = pages.place(of: record)
        // Its own name, so that the encoder can be changed while they are looked at.
        let pages = pages
        let page = pages.now.span.extracting(place..<place + length)
        func item(_ content: DeltaItem.Content) -> DeltaItem {
            DeltaItem(record.image, offset: record.offset, length: length, content)
        }
        if place + length <= pages.originalCount,
            encoder.encode(
                source: pages.original.span.extracting(place..<place + length), target: page,
                limit: min(Self.longestPatch, length - 1))
        {
            item(.xdelta(payload: encoder.patch.count)).appendHeader(to: &bytes)
            bytes += encoder.patch
            return .xdelta
        }
        item(.raw(payload: length)).appendHeader(to: &bytes)
        bytes.append(copying: page)
        return .raw
    }
}

/// Pages with content of their own that lie behind each other, and what the base has there: read in one go.
private struct OwnPages {
    private(set) var now = [UInt8](repeating: 0, count: mostPages * Page.size)
    private(set) var original = [UInt8](repeating: 0, count: mostPages * Page.size)
    /// How many bytes the base has there.
    private(set) var originalCount = 0
    private var image = OverlayImage.memory
    private var pages = 0..<0

    private static let mostPages = 16

    /// Where the page of a record is in the buffers.
    func place(of record: PageRecord) -> Int { (Int(record.page) - pages.lowerBound) * Page.size }

    /// Sees to it that the page of a record is in the buffers, and reads those that follow it with it.
    mutating func load(_ index: Int, of plan: OverlayPlan) throws(CloudletError) {
        let record = plan.records[index]
        if record.image == image, pages.contains(Int(record.page)) { return }
        guard let changed = plan.images[record.image] else { return }
        var count = 1
        while count < Self.mostPages, index + count < plan.records.count,
            plan.records[index + count].follows(record, by: count)
        {
            count += 1
        }
        image = record.image
        let bytes = try changed.read(upTo: count * Page.size, at: record.offset, into: &now)
        pages = Int(record.page)..<Int(record.page) + Page.count(covering: bytes)
        originalCount = try plan.base.read(bytes, of: record.image, at: record.offset, into: &original)
    }
}

extension PageRecord {
    /// Whether this is a page with content of its own, `count` pages behind another.
    fileprivate func follows(_ other: PageRecord, by count: Int) -> Bool {
        content == .own && image == other.image && Int(page) == Int(other.page) + count
    }
}
