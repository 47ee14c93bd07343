import CloudletCore
import CloudletSystem

/// Compares a customised image with its base and says of every page that differs what it is: zeros, a page the base
/// has elsewhere, or content of its own.
struct PageClassifier: Sendable {
    let base: BaseImages
    let index: BaseIndex

    /// Bytes compared by one unit of work; both images are mapped for so long.
    private static let unitBytes = 4 << 20

    /// The pages of `image` that differ, in order of their number.
    func changedPages(of image: ChangedImage, progress: (Int) -> Void) async throws(CloudletError) -> [PageRecord] {
        var records: [PageRecord] = []
        var done = 0
        let units = image.extents.lazy.flatMap { extent in
            pieces(of: extent.range, length: Self.unitBytes).lazy.map { Unit(extent: extent, range: $0) }
        }
        try await mapInOrder(units) { (unit) throws(CloudletError) -> (Int, [PageRecord]) in
            (unit.range.count, try classify(unit, image))
        } consume: { (result) throws(CloudletError) in
            records += result.1
            done += result.0
            progress(done)
        }
        return records
    }

    private struct Unit: Sendable {
        let extent: ChangedImage.Extent
        let range: Range<Int>
    }

    private func classify(_ unit: Unit, _ image: ChangedImage) throws(CloudletError) -> [PageRecord] {
        var records: [PageRecord] = []
        var scratch = [UInt8](repeating: 0, count: Page.size)
        let current = try unit.extent.view(unit.range)
        var position = unit.range.lowerBound
        // Where the base has a hole it is all zeros, and need not be read.
        if let file = base.file(of: image.image) {
            // A last page that is shorter in one of them is another page.
            let size = image.image == .memory ? base.memorySize : base.diskSize
            let common = unit.range.clamped(to: 0..<(size == image.size ? size : size / Page.size * Page.size))
            try file.forEachDataExtent(in: common) { (range) throws(CloudletError) in
                try classify(position..<range.lowerBound, nil, current, unit, image, &scratch, &records)
                let original = try FileView(file, range)
                try classify(range, original, current, unit, image, &scratch, &records)
                position = range.upperBound
            }
            try classify(position..<common.upperBound, nil, current, unit, image, &scratch, &records)
            position = max(position, common.upperBound)
        }
        // Behind the base's end every page is new.
        for page in pieces(of: position..<unit.range.upperBound, length: Page.size) {
            let start = page.lowerBound - unit.range.lowerBound
            let bytes = current.bytes.extracting(start..<start + page.count)
            try records.append(record(of: bytes, at: page.lowerBound, image, &scratch))
        }
        return records
    }

    /// Compares the pages of `range` with the base's: `original`, or zeros.
    private func classify(
        _ range: Range<Int>, _ original: FileView?, _ current: FileView, _ unit: Unit, _ image: ChangedImage,
        _ scratch: inout [UInt8], _ records: inout [PageRecord]
    ) throws(CloudletError) {
        for page in pieces(of: range, length: Page.size) {
            let start = page.lowerBound - unit.range.lowerBound
            let bytes = current.bytes.extracting(start..<start + page.count)
            if let original {
                let place = page.lowerBound - range.lowerBound
                if bytes.hasSameBytes(as: original.bytes.extracting(place..<place + page.count)) { continue }
            } else if bytes.isAllZeros {
                continue
            }
            try records.append(record(of: bytes, at: page.lowerBound, image, &scratch))
        }
    }

    private func record(
        of bytes: Span<UInt8>, at offset: Int, _ image: ChangedImage, _ scratch: inout [UInt8]
    ) throws(CloudletError) -> PageRecord {
        let (content, value) = try classify(bytes, &scratch)
        return PageRecord(page: UInt32(offset / Page.size), image: image.image, content: content, value: value)
    }

    private func classify(
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
