// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Compares a customised image with its base and classifies each page that differs: zeros, a page that the base has
/// elsewhere, or new content.
struct PageClassifier: Sendable {
    let base: BaseImages
    let index: BaseIndex

    /// The pages of `image` that differ, in order of their number.
    func changedPages(of image: ChangedImage, progress: (Int) -> Void) async throws(CloudletError) -> [PageRecord] {
        var records: [PageRecord] = []
        var done = 0
        try await mapInOrder(Window.windows(of: image)) {
            (window) throws(CloudletError) -> (Int, [PageRecord]) in
            var comparison = try WindowComparison(self, window, image)
            for part in window.parts { try comparison.compare(part) }
            return (window.bytes, comparison.records)
        } consume: { (result) throws(CloudletError) in
            records += result.1
            done += result.0
            progress(done)
        }
        // A truncated base reads as a hole, that is, as zeros.
        try base.requireWhole()
        return records
    }

    /// Classifies a page with these bytes.
    fileprivate func classify(
        _ page: Span<UInt8>, _ scratch: inout [UInt8]
    ) throws(CloudletError) -> (PageRecord.Content, UInt64) {
        if page.isAllZeros { return (.zeros, 0) }
        let hash = SHA256Digest(hashing: page)
        if page.count == Page.size {
            switch try index.find(page, hash: hash, scratch: &scratch) {
            case .baseMemory(let offset): return (.baseMemory, UInt64(offset))
            case .baseDisk(let offset): return (.baseDisk, UInt64(offset))
            default: break
            }
        }
        return (.new, hash.words.0)
    }
}

/// Parts of an image that are near each other: one unit of work. A guest that reports single free pages leaves tens of
/// thousands of small parts.
private struct Window: Sendable {
    private(set) var parts: [ChangedImage.Extent] = []

    static let span = 4 << 20

    /// From the first part's start to the last part's end.
    var range: Range<Int> { (parts.first?.range.lowerBound ?? 0)..<(parts.last?.range.upperBound ?? 0) }

    var bytes: Int { parts.reduce(0) { $0 + $1.range.count } }

    static func windows(of image: ChangedImage) -> [Window] {
        var windows: [Window] = []
        var window = Window()
        for extent in image.extents {
            for range in pieces(of: extent.range, length: span) {
                if !window.parts.isEmpty, range.upperBound - window.range.lowerBound > span {
                    windows.append(window)
                    window = Window()
                }
                window.parts.append(extent.part(range))
            }
        }
        if !window.parts.isEmpty { windows.append(window) }
        return windows
    }
}

/// The comparison of one window.
private struct WindowComparison {
    private let classifier: PageClassifier
    private let image: ChangedImage
    /// Up to this offset both images have full pages, or the same short last page.
    private let common: Int
    /// The base's stored data within the window; the rest is zeros and not read.
    private let originalData: [Range<Int>]
    private var nextData = 0
    private var scratch = [UInt8](repeating: 0, count: Page.size)
    private(set) var records: [PageRecord] = []

    /// How many bytes are read and compared at a time: the bytes of both images stay in the cache of a core.
    private static let pieceBytes = 64 << 10
    private var original = [UInt8](repeating: 0, count: pieceBytes)
    private var now = [UInt8](repeating: 0, count: pieceBytes)

    init(_ classifier: PageClassifier, _ window: Window, _ image: ChangedImage) throws(CloudletError) {
        self.classifier = classifier
        self.image = image
        guard let file = classifier.base.file(of: image.image) else {
            common = 0
            originalData = []
            return
        }
        let size = classifier.base.size(of: image.image)
        common = size == image.size ? size : size / Page.size * Page.size
        var data: [Range<Int>] = []
        try file.forEachDataExtent(in: window.range.clamped(to: 0..<common)) { data.append($0) }
        originalData = data
    }

    mutating func compare(_ part: ChangedImage.Extent) throws(CloudletError) {
        var position = part.range.lowerBound
        // Parts come in ascending order.
        while nextData < originalData.count, originalData[nextData].upperBound <= position { nextData += 1 }
        for data in originalData[nextData...] {
            guard data.lowerBound < part.range.upperBound else { break }
            let both = data.clamped(to: part.range)
            try compareWithZeros(position..<both.lowerBound, part)
            try compareWithBase(both, part)
            position = both.upperBound
        }
        try compareWithZeros(position..<part.range.upperBound, part)
    }

    /// Compares pages where the base has stored data.
    private mutating func compareWithBase(_ range: Range<Int>, _ part: ChangedImage.Extent) throws(CloudletError) {
        for piece in pieces(of: range, length: Self.pieceBytes) {
            _ = try classifier.base.read(piece.count, of: image.image, at: piece.lowerBound, into: &original)
            if case .zeros = part.source {
                for page in pieces(of: 0..<piece.count, length: Page.size)
                where !original.span.extracting(page).isAllZeros { addZeros(piece.lowerBound + page.lowerBound) }
                continue
            }
            try part.read(piece, into: &now)
            // A copy, because records can't be added while a span of `self.now` is in use.
            let now = now
            for page in pieces(of: 0..<piece.count, length: Page.size) {
                let bytes = now.span.extracting(page)
                if !bytes.hasSameBytes(as: original.span.extracting(page)) {
                    try add(piece.lowerBound + page.lowerBound, bytes)
                }
            }
        }
    }

    /// Compares pages where the base has a hole, or which are past its end.
    private mutating func compareWithZeros(_ range: Range<Int>, _ part: ChangedImage.Extent) throws(CloudletError) {
        for piece in pieces(of: range, length: Self.pieceBytes) {
            if case .zeros = part.source {
                for page in pieces(of: piece, length: Page.size) where page.lowerBound >= common {
                    addZeros(page.lowerBound)
                }
                continue
            }
            try part.read(piece, into: &now)
            let now = now
            for page in pieces(of: 0..<piece.count, length: Page.size) {
                let offset = piece.lowerBound + page.lowerBound
                let bytes = now.span.extracting(page)
                if offset >= common || !bytes.isAllZeros { try add(offset, bytes) }
            }
        }
    }

    private mutating func add(_ offset: Int, _ bytes: Span<UInt8>) throws(CloudletError) {
        let (content, value) = try classifier.classify(bytes, &scratch)
        records.append(
            PageRecord(page: UInt32(offset / Page.size), image: image.image, content: content, value: value))
    }

    private mutating func addZeros(_ offset: Int) {
        records.append(PageRecord(page: UInt32(offset / Page.size), image: image.image, content: .zeros, value: 0))
    }
}
