// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMessagePack

/// Which pages an overlay contains and how they are distributed to its blobs. Blobs can be encoded in any order and at the
/// same time.
package struct OverlayPlan: Sendable {
    let base: BaseImages
    let images: [OverlayImage: ChangedImage]
    let records: [PageRecord]
    /// The indices of the records that are copies, in the order of ``copyOwners``.
    let copies: [Int]
    /// For each of ``copies`` the index of the record whose content it shares, ascending.
    let copyOwners: [Int]
    /// The records of each blob.
    let runs: [Range<Int>]

    /// The number of blobs.
    package var blobCount: Int { runs.count }

    /// The number of pages in the overlay.
    package var pageCount: Int { records.count }

    /// Compares the customised images with the base and plans the overlay.
    /// - Parameters:
    ///   - memory: the memory snapshot, or `nil` for a disk-only overlay.
    ///   - disk: the disk.
    ///   - base: the base's images.
    ///   - index: the base's page hashes.
    ///   - blobBytes: about how many bytes of items a blob has before compression.
    ///   - limits: the limits of the overlay's readers.
    ///   - progress: called with the number of bytes of the images' extents compared so far.
    /// - Returns: the plan.
    /// - Throws: `CloudletError` when an image can't be read, or when so many pages differ that readers would refuse the
    ///   meta.
    package static func make(
        memory: ChangedImage?, disk: ChangedImage, base: BaseImages, index: BaseIndex, blobBytes: Int,
        limits: OverlayMeta.Limits = .init(), progress: (Int) -> Void = { _ in }
    ) async throws(CloudletError) -> OverlayPlan {
        let classifier = PageClassifier(base: base, index: index)
        var records: [PageRecord] = []
        var images: [OverlayImage: ChangedImage] = [:]
        var before = 0
        for image in [memory, disk].compactMap({ $0 }) {
            images[image.image] = image
            records += try await classifier.changedPages(of: image) { progress(before + $0) }
            before += image.extents.reduce(0) { $0 + $1.range.count }
        }
        // The page numbers alone can exceed the limit of the meta; it is better to fail before compressing the pages.
        let numberBytes = records.reduce(0) { $0 + MessagePackWriter.byteCount(of: UInt64($1.page)) }
        try OverlayMeta.requireReadable(bytes: numberBytes, pages: records.count, limits)
        return try OverlayPlan(base: base, images: images, records: records, blobBytes: blobBytes)
    }

    private init(
        base: BaseImages, images: [OverlayImage: ChangedImage], records: [PageRecord], blobBytes: Int
    ) throws(CloudletError) {
        self.base = base
        self.images = images
        let deduplicated = try Self.findingCopies(records, images)
        self.records = deduplicated
        let owned = deduplicated.indices.filter { deduplicated[$0].content == .same }
            .sorted { (deduplicated[$0].value, $0) < (deduplicated[$1].value, $1) }
        copies = owned
        copyOwners = owned.map { Int(deduplicated[$0].value) }
        runs = Self.split(deduplicated, owned, blobBytes)
    }

    /// Marks the pages whose content is that of an earlier page of the overlay, memory before disk, then by offset.
    private static func findingCopies(
        _ records: [PageRecord], _ images: [OverlayImage: ChangedImage]
    ) throws(CloudletError) -> [PageRecord] {
        var records = records
        var first = [UInt8](repeating: 0, count: Page.size)
        var other = first
        let new = records.indices.filter { records[$0].content == .new }
            .sorted { (records[$0].value, $0) < (records[$1].value, $1) }
        var owner = 0
        for position in new.indices.dropFirst() {
            let candidate = new[position]
            guard records[candidate].value == records[new[owner]].value else {
                owner = position
                continue
            }
            let left = try read(records[new[owner]], images, &first)
            let right = try read(records[candidate], images, &other)
            if left == right, first.span.extracting(0..<left).hasSameBytes(as: other.span.extracting(0..<right)) {
                records[candidate].content = .same
                records[candidate].value = UInt64(new[owner])
            }
        }
        return records
    }

    private static func read(
        _ record: PageRecord, _ images: [OverlayImage: ChangedImage], _ buffer: inout [UInt8]
    ) throws(CloudletError) -> Int {
        try images[record.image]?.readPage(at: record.offset, into: &buffer) ?? 0
    }

    /// Divides the records into blobs; a copy counts for the blob of its original.
    private static func split(_ records: [PageRecord], _ copies: [Int], _ blobBytes: Int) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var start = 0
        var bytes = 0
        var copy = 0
        for (index, record) in records.enumerated() {
            if record.content != .same { bytes += record.estimatedBytes }
            while copy < copies.count, Int(records[copies[copy]].value) == index {
                bytes += records[copies[copy]].estimatedBytes
                copy += 1
            }
            if bytes >= blobBytes {
                runs.append(start..<index + 1)
                start = index + 1
                bytes = 0
            }
        }
        if bytes > 0 { runs.append(start..<records.count) }
        return runs
    }

    /// The range of ``copies`` that belongs to the records in `run`.
    func copyRange(of run: Range<Int>) -> Range<Int> {
        func lowerBound(_ value: Int) -> Int {
            var low = 0
            var high = copyOwners.count
            while low < high {
                let middle = (low + high) / 2
                if copyOwners[middle] < value { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return lowerBound(run.lowerBound)..<lowerBound(run.upperBound)
    }
}
