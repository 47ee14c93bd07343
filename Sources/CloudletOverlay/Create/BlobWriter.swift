public import CloudletCore

/// Encodes the items of one blob of a plan.
public struct BlobWriter {
    /// What a blob's items describe, for the meta.
    public struct Contents: Sendable {
        /// Pages of the disk, in item order.
        public var diskChunks: [UInt32] = []
        /// Pages of the memory snapshot, in item order.
        public var memoryChunks: [UInt32] = []
        /// Items, and bytes before compression, by kind.
        public var statistics = OverlayStatistics()
    }

    private let plan: OverlayPlan
    private var bytes: [UInt8] = []
    private var page = [UInt8](repeating: 0, count: Page.size)
    private var original = [UInt8](repeating: 0, count: Page.size)
    private var contents = Contents()

    /// A patch pays when it is at most this long: a longer one is no smaller after compression than the page.
    private static let longestPatch = Page.size / 2
    private static let pieceBytes = 64 << 10

    /// Hands the items of blob `number` of `plan` to `body`, before compression, in pieces of about 64 KiB.
    public static func write(
        blob number: Int, of plan: OverlayPlan, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) -> Contents {
        var writer = BlobWriter(plan)
        let run = plan.runs[number]
        var copy = plan.copyRange(of: run).lowerBound
        for index in run {
            guard plan.records[index].content != .same else { continue }
            try writer.append(plan.records[index])
            while copy < plan.copies.count, plan.copyOwners[copy] == index {
                try writer.append(plan.records[plan.copies[copy]])
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

    private mutating func append(_ record: PageRecord) throws(CloudletError) {
        guard let image = plan.images[record.image] else { return }
        let length = min(Page.size, image.size - record.offset)
        let start = bytes.count
        func item(_ content: DeltaItem.Content) -> DeltaItem {
            DeltaItem(record.image, offset: record.offset, length: length, content)
        }
        let kind: DeltaItem.Kind
        switch record.content {
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
            kind = try appendOwn(record, image, length)
        }
        if record.image == .memory {
            contents.memoryChunks.append(record.page)
        } else {
            contents.diskChunks.append(record.page)
        }
        contents.statistics.add(kind, record.image, bytes: bytes.count - start)
    }

    private mutating func appendOwn(
        _ record: PageRecord, _ image: ChangedImage, _ length: Int
    ) throws(CloudletError) -> DeltaItem.Kind {
        _ = try image.readPage(at: record.offset, into: &page)
        let originalCount = try plan.base.readPage(of: record.image, at: record.offset, into: &original)
        if originalCount == length,
            let patch = VCDIFFEncoder.encode(
                source: original.span.extracting(0..<length), target: page.span.extracting(0..<length),
                limit: min(Self.longestPatch, length - 1))
        {
            DeltaItem(record.image, offset: record.offset, length: length, .xdelta(payload: patch.count))
                .appendHeader(to: &bytes)
            bytes += patch
            return .xdelta
        }
        DeltaItem(record.image, offset: record.offset, length: length, .raw(payload: length)).appendHeader(to: &bytes)
        bytes += page[0..<length]
        return .raw
    }
}
