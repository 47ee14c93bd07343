// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// Computes the fingerprints of the memory snapshot of a base VM.
package enum MemoryFingerprint {
    /// SHA-256 of the whole snapshot. An overlay stores it to recognise the memory snapshot on which it is based.
    /// - Parameters:
    ///   - memory: the snapshot.
    ///   - progress: called with the number of bytes hashed so far.
    /// - Returns: the digest.
    /// - Throws: `CloudletError.io` when the snapshot can't be read, `.interrupted` when the task is cancelled.
    package static func identity(
        of memory: File, progress: (Int) -> Void = { _ in }
    ) throws(CloudletError) -> SHA256Digest {
        try DiskFingerprint.hash(memory, 0..<(try memory.size()), progress: progress)
    }

    /// Writes the list of page hashes in page order (`.base-mem-meta`), and the same sorted by hash and without pages of
    /// zeros (`.base-mem-index`, an extension).
    /// - Parameters:
    ///   - memory: the snapshot.
    ///   - list: an empty file for the list in page order.
    ///   - index: an empty file for the list sorted by hash.
    ///   - makeScratch: creates an empty file for sorting, given its number.
    /// - Throws: `CloudletError` when a file can't be read or written.
    package static func writeHashLists(
        of memory: File, to list: File, index: File, makeScratch: (Int) throws(CloudletError) -> File
    ) async throws(CloudletError) {
        let size = try memory.size()
        var sorter = try HashListSorter(makeScratch: makeScratch)
        var output = AppendingWriter(list)
        let units = pieces(of: 0..<size, length: DiskFingerprint.unitBytes)
        let atOnce = WorkerPool.shared.unitsAtOnce(takingBytes: DiskFingerprint.unitBytes)
        try await mapInOrder(units, atOnce: atOnce) { (range) throws(CloudletError) -> [HashRecord] in
            try hashPages(of: memory, in: range)
        } consume: { (records) throws(CloudletError) in
            for record in records {
                record.append(to: &output.buffer)
                if record.hash != PageHash.zero, record.length == Page.size { try sorter.add(record) }
            }
            try output.flushIfFull()
        }
        try output.flush()
        var sorted = AppendingWriter(index)
        try sorter.drain { (record) throws(CloudletError) in
            record.append(to: &sorted.buffer)
            try sorted.flushIfFull()
        }
        try sorted.flush()
    }

    private static func hashPages(of memory: File, in range: Range<Int>) throws(CloudletError) -> [HashRecord] {
        var records: [HashRecord] = []
        records.reserveCapacity(Page.count(covering: range.count))
        func addHole(_ hole: Range<Int>) {
            for page in pieces(of: hole, length: Page.size) {
                let hash = page.count == Page.size ? PageHash.zero : SHA256Digest(hashing: zeros(page.count).span)
                records.append(HashRecord(hash: hash, offset: page.lowerBound, length: page.count))
            }
        }
        var position = range.lowerBound
        try memory.forEachDataExtent(in: range) { (extent) throws(CloudletError) in
            addHole(position..<extent.lowerBound)
            let bytes = try memory.read(extent.count, at: extent.lowerBound)
            guard bytes.count == extent.count else { throw memory.becameShorter }
            for page in pieces(of: extent, length: Page.size) {
                let start = page.lowerBound - extent.lowerBound
                let span = bytes.span.extracting(start..<start + page.count)
                let hash =
                    span.isAllZeros && page.count == Page.size ? PageHash.zero : SHA256Digest(hashing: span)
                records.append(HashRecord(hash: hash, offset: page.lowerBound, length: page.count))
            }
            position = extent.upperBound
        }
        addHole(position..<range.upperBound)
        return records
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}
