import CloudletCore
import CloudletSystem

/// Compares a customised image with its base and says of every page that differs what it is: zeros, a page the base
/// has elsewhere, or content of its own.
struct PageClassifier: Sendable {
    let base: BaseImages
    let index: BaseIndex

    /// Pages compared by one unit of work.
    private static let unitBytes = 1 << 20

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
        var current = [UInt8](repeating: 0, count: unit.range.count)
        try unit.extent.read(unit.range, into: &current)
        var original = [UInt8](repeating: 0, count: unit.range.count)
        let originalCount =
            try base.file(of: image.image)?.read(into: &original, count: original.count, at: unit.range.lowerBound) ?? 0
        var scratch = [UInt8](repeating: 0, count: Page.size)
        var records: [PageRecord] = []
        for page in pieces(of: unit.range, length: Page.size) {
            let place = page.lowerBound - unit.range.lowerBound..<page.upperBound - unit.range.lowerBound
            let bytes = current.span.extracting(place)
            if place.upperBound <= originalCount, bytes.hasSameBytes(as: original.span.extracting(place)) { continue }
            let (content, value) = try classify(bytes, &scratch)
            records.append(
                PageRecord(
                    page: UInt32(page.lowerBound / Page.size), image: image.image, content: content, value: value))
        }
        return records
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
