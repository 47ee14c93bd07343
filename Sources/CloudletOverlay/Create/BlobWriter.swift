// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Encodes the items of one blob of a plan.
package struct BlobWriter {
    /// What the meta says about a blob's items.
    package struct Contents: Sendable {
        /// Pages of the disk, in item order.
        package var diskChunks: [UInt32] = []
        /// Pages of the memory snapshot, in item order.
        package var memoryChunks: [UInt32] = []
        /// Items and their bytes before compression, by kind.
        package var statistics = OverlayStatistics()
    }

    private let plan: OverlayPlan
    private var bytes: [UInt8] = []
    private var pages = NewPages()
    private var encoder = VCDIFFEncoder()
    private var contents = Contents()

    /// A longer patch would not be smaller than the page after compression.
    private static let maximumPatchBytes = Page.size / 2
    private static let pieceBytes = 64 << 10

    /// Encodes the items of a blob.
    /// - Parameters:
    ///   - number: the index of the blob in the plan.
    ///   - plan: the plan.
    ///   - body: called with the items, not compressed, in pieces of about 64 KiB.
    /// - Returns: what the meta says about them.
    /// - Throws: the error of `body`, or `CloudletError` when an image can't be read.
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
            // For the original an item of zeros is always a whole page, whatever its length.
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
        case .new:
            kind = try appendNew(index, length)
        }
        if record.image == .memory {
            contents.memoryChunks.append(record.page)
        } else {
            contents.diskChunks.append(record.page)
        }
        contents.statistics.add(kind, record.image, bytes: bytes.count - start)
    }

    /// Appends a page with new content as a patch or raw.
    private mutating func appendNew(_ index: Int, _ length: Int) throws(CloudletError) -> DeltaItem.Kind {
        let record = plan.records[index]
        try pages.load(index, of: plan)
        let position = pages.position(of: record)
        // A copy, because the encoder can't be changed while a span of `self.pages` is in use.
        let pages = pages
        let page = pages.now.span.extracting(position..<position + length)
        func item(_ content: DeltaItem.Content) -> DeltaItem {
            DeltaItem(record.image, offset: record.offset, length: length, content)
        }
        if position + length <= pages.originalCount,
            encoder.encode(
                source: pages.original.span.extracting(position..<position + length), target: page,
                limit: min(Self.maximumPatchBytes, length - 1))
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

/// Consecutive pages with new content and the base's bytes at the same offsets, read together.
private struct NewPages {
    private(set) var now = [UInt8](repeating: 0, count: maximumPages * Page.size)
    private(set) var original = [UInt8](repeating: 0, count: maximumPages * Page.size)
    /// How many of these bytes the base has.
    private(set) var originalCount = 0
    private var image = OverlayImage.memory
    private var pages = 0..<0

    private static let maximumPages = 16

    /// The offset of a record's page in the buffers.
    func position(of record: PageRecord) -> Int { (Int(record.page) - pages.lowerBound) * Page.size }

    /// Loads the page of a record into the buffers, unless it is there, together with the pages that follow it.
    mutating func load(_ index: Int, of plan: OverlayPlan) throws(CloudletError) {
        let record = plan.records[index]
        if record.image == image, pages.contains(Int(record.page)) { return }
        guard let changed = plan.images[record.image] else { return }
        var count = 1
        while count < Self.maximumPages, index + count < plan.records.count,
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
    /// Whether this is a page with new content, `count` pages after another.
    fileprivate func follows(_ other: PageRecord, by count: Int) -> Bool {
        content == .new && image == other.image && Int(page) == Int(other.page) + count
    }
}
