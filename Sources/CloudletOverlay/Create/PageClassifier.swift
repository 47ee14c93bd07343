import CloudletCore
import CloudletSystem

/// Compares a customised image with its base and says of every page that differs what it is: zeros, a page the base
/// has elsewhere, or content of its own.
struct PageClassifier: Sendable {
    let base: BaseImages
    let index: BaseIndex

    /// The pages of `image` that differ, in order of their number.
    func changedPages(of image: ChangedImage, progress: (Int) -> Void) async throws(CloudletError) -> [PageRecord] {
        var records: [PageRecord] = []
        var done = 0
        // Mapped pages of both images count as memory.
        let atOnce = WorkerPool.shared.unitsAtOnce(takingBytes: 2 * Window.span)
        try await mapInOrder(Window.windows(of: image), atOnce: atOnce) {
            (window) throws(CloudletError) -> (Int, [PageRecord]) in
            var comparison = try WindowComparison(self, window, image)
            for part in window.parts { try comparison.compare(part) }
            return (window.bytes, comparison.records)
        } consume: { (result) throws(CloudletError) in
            records += result.1
            done += result.0
            progress(done)
        }
        return records
    }

    /// What a page with these bytes is.
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
        return (.own, hash.words.0)
    }
}

/// Parts of an image that lie near each other: one unit of work, for which the files are mapped once. A guest that
/// reports single free pages leaves tens of thousands of small parts.
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
    private let window: Range<Int>
    /// Up to here both images have full pages, or the same short last page.
    private let common: Int
    private let original: FileView?
    /// The base's stored data within the window; the rest of it is zeros there and not read.
    private var originalData: [Range<Int>] = []
    private var nextData = 0
    private var current: (file: File, start: Int, view: FileView)?
    private var scratch = [UInt8](repeating: 0, count: Page.size)
    private(set) var records: [PageRecord] = []

    init(_ classifier: PageClassifier, _ window: Window, _ image: ChangedImage) throws(CloudletError) {
        self.classifier = classifier
        self.image = image
        self.window = window.range
        guard let file = classifier.base.file(of: image.image) else {
            common = 0
            original = nil
            return
        }
        let size = image.image == .memory ? classifier.base.memorySize : classifier.base.diskSize
        common = size == image.size ? size : size / Page.size * Page.size
        original = try FileView(file, window.range)
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

    /// Pages where the base has stored data.
    private mutating func compareWithBase(_ range: Range<Int>, _ part: ChangedImage.Extent) throws(CloudletError) {
        guard let original else { return }
        let view = try view(part)
        for page in pieces(of: range, length: Page.size) {
            let place = page.lowerBound - window.lowerBound
            let bytes = original.bytes.extracting(place..<place + page.count)
            if let view {
                let start = page.lowerBound - view.start
                let now = view.view.bytes.extracting(start..<start + page.count)
                if !now.hasSameBytes(as: bytes) { try add(page.lowerBound, now) }
            } else if !bytes.isAllZeros {
                addZeros(page.lowerBound)
            }
        }
    }

    /// Pages where the base has a hole, or which lie behind its end.
    private mutating func compareWithZeros(_ range: Range<Int>, _ part: ChangedImage.Extent) throws(CloudletError) {
        guard !range.isEmpty else { return }
        let view = try view(part)
        for page in pieces(of: range, length: Page.size) {
            guard let view else {
                if page.lowerBound >= common { addZeros(page.lowerBound) }
                continue
            }
            let start = page.lowerBound - view.start
            let now = view.view.bytes.extracting(start..<start + page.count)
            if page.lowerBound >= common || !now.isAllZeros { try add(page.lowerBound, now) }
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

    /// Where the part's bytes can be seen, and the image's byte that is the first there; `nil` when they are zeros.
    /// Parts that lie in their file as they lie in the image share one mapping.
    private mutating func view(_ part: ChangedImage.Extent) throws(CloudletError) -> (start: Int, view: FileView)? {
        guard case .file(let file, let offset) = part.source else { return nil }
        let shift = offset - part.range.lowerBound
        if let current, current.file === file, current.start == shift { return (window.lowerBound, current.view) }
        guard window.lowerBound + shift >= 0 else {
            return (part.range.lowerBound, try FileView(file, offset..<offset + part.range.count))
        }
        let view = try FileView(file, window.lowerBound + shift..<window.upperBound + shift)
        current = (file, shift, view)
        return (window.lowerBound, view)
    }
}
