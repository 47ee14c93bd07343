// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Places the pages of checked items. Pages are collected and placed together, because the file of an image allows one
/// writer at a time.
struct PagePlacer {
    private let base: BaseImages
    private var page = [UInt8](repeating: 0, count: Page.size)
    private var decoder = VCDIFFDecoder()
    private var batches: (memory: PageBatch, disk: PageBatch)
    private(set) var statistics = OverlayStatistics()

    init(base: BaseImages, targets: PageTargets) {
        self.base = base
        batches = (PageBatch(target: targets.memory), PageBatch(target: targets.disk))
    }

    mutating func place(_ item: DeltaItem, _ payload: Span<UInt8>) throws(CloudletError) {
        switch item.content {
        case .zeros:
            if item.image == .memory {
                try batches.memory.appendZeros(item.length, at: item.offset)
            } else {
                try batches.disk.appendZeros(item.length, at: item.offset)
            }
        case .raw: try place(payload, item)
        case .baseDisk(let offset): try placeFromBase(.disk, offset, item)
        case .baseMemory(let offset): try placeFromBase(.memory, offset, item)
        case .sameAs(let image, let offset):
            try read(image, offset, item.length)
            try placePage(item)
        case .xdelta:
            let count = try base.readPage(of: item.image, at: item.offset, into: &page)
            do throws(VCDIFFError) {
                let source = page
                try decoder.decode(
                    payload, source: source.span.extracting(0..<min(count, item.length)), length: item.length)
            } catch {
                throw ItemProblem.error(.badPatch(error.description))
            }
            let output = decoder.output
            try place(output.span, item)
        }
        statistics.add(item.content.kind, item.image, bytes: item.headerBytes + payload.count)
    }

    /// Places the pages that are still collected. More pages can be added afterwards.
    mutating func flush() throws(CloudletError) {
        try batches.memory.flush()
        try batches.disk.flush()
    }

    private mutating func placeFromBase(_ image: OverlayImage, _ offset: Int, _ item: DeltaItem) throws(CloudletError) {
        let count = try base.readPage(of: image, at: offset, into: &page)
        guard count == item.length else { throw ItemProblem.error(.referenceOutOfRange(image, UInt64(offset))) }
        try placePage(item)
    }

    private mutating func placePage(_ item: DeltaItem) throws(CloudletError) {
        let page = page
        try place(page.span.extracting(0..<item.length), item)
    }

    private mutating func place(_ bytes: Span<UInt8>, _ item: DeltaItem) throws(CloudletError) {
        if item.image == .memory {
            try batches.memory.append(bytes, at: item.offset)
        } else {
            try batches.disk.append(bytes, at: item.offset)
        }
    }

    /// Reads a page that was placed before into `page`.
    private mutating func read(_ image: OverlayImage, _ offset: Int, _ length: Int) throws(CloudletError) {
        if image == .memory {
            try batches.memory.read(into: &page, count: length, at: offset)
        } else {
            try batches.disk.read(into: &page, count: length, at: offset)
        }
    }
}

/// The collected pages of one image, those of zeros apart from the others.
private struct PageBatch {
    private let target: any PageTarget
    private var bytes: [UInt8] = []
    private var runs: [Range<Int>] = []
    private var zeros = 0..<0

    private static let maximumBytes = 128 << 10

    init(target: any PageTarget) { self.target = target }

    mutating func append(_ page: Span<UInt8>, at offset: Int) throws(CloudletError) {
        if bytes.count + page.count > Self.maximumBytes { try flushBytes() }
        bytes.append(copying: page)
        if let last = runs.last, last.upperBound == offset {
            runs[runs.count - 1] = last.lowerBound..<offset + page.count
        } else {
            runs.append(offset..<offset + page.count)
        }
    }

    mutating func appendZeros(_ count: Int, at offset: Int) throws(CloudletError) {
        if offset != zeros.upperBound {
            try flushZeros()
            zeros = offset..<offset
        }
        zeros = zeros.lowerBound..<zeros.upperBound + count
    }

    mutating func flush() throws(CloudletError) {
        try flushBytes()
        try flushZeros()
    }

    private mutating func flushBytes() throws(CloudletError) {
        if !runs.isEmpty { try target.place(runs, of: bytes.span) }
        bytes.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }

    private mutating func flushZeros() throws(CloudletError) {
        if !zeros.isEmpty { try target.placeZeros(zeros.count, at: zeros.lowerBound) }
        zeros = zeros.upperBound..<zeros.upperBound
    }

    /// Reads a page that was placed or is still collected.
    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        var start = 0
        for run in runs {
            if run.contains(offset), offset + count <= run.upperBound {
                let position = start + offset - run.lowerBound
                buffer.replaceSubrange(0..<count, with: bytes[position..<position + count])
                return
            }
            start += run.count
        }
        if zeros.contains(offset) {
            for index in 0..<count { buffer[index] = 0 }
        } else {
            try target.read(into: &buffer, count: count, at: offset)
        }
    }
}
