// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// Computes the fingerprints of the disk of a base VM: its identity and its list of page hashes.
package enum DiskFingerprint {
    /// The identity of the base VM: SHA-256 of the disk image. A last part of fewer than 512 bytes is left out, as in the
    /// original; the size of images made here is a multiple of 512.
    /// - Parameters:
    ///   - disk: the image.
    ///   - progress: called with the number of bytes hashed so far.
    /// - Returns: the digest.
    /// - Throws: `CloudletError.io` when the image can't be read, `.interrupted` when the task is cancelled.
    package static func identity(
        of disk: File, progress: (Int) -> Void = { _ in }
    ) throws(CloudletError) -> SHA256Digest {
        try hash(disk, 0..<(try disk.size() / Page.sector * Page.sector), progress: progress)
    }

    /// SHA-256 of a range of a file. Holes are hashed as zeros without being read.
    static func hash(
        _ file: File, _ range: Range<Int>, progress: (Int) -> Void = { _ in }
    ) throws(CloudletError) -> SHA256Digest {
        var hasher = SHA256Hasher()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let zeros = buffer
        var position = range.lowerBound
        var data = position..<position
        while position < range.upperBound {
            if Task.isCancelled { throw CloudletError(.interrupted, "interrupted while hashing \(file.path)") }
            if position >= data.upperBound {
                data = try file.nextDataExtent(from: position) ?? range.upperBound..<range.upperBound + 1
            }
            let boundary = position < data.lowerBound ? data.lowerBound : data.upperBound
            let count = min(buffer.count, boundary - position, range.upperBound - position)
            if position < data.lowerBound {
                hasher.update(zeros.span.extracting(0..<count))
            } else {
                guard try file.read(into: &buffer, count: count, at: position) == count else {
                    throw file.becameShorter
                }
                hasher.update(buffer.span.extracting(0..<count))
            }
            position += count
            progress(position - range.lowerBound)
        }
        return hasher.finalize()
    }

    /// Writes the list of page hashes (`.base-img-meta`): the SHA-256 of the 4096 bytes at each multiple of 512 bytes, once
    /// for each distinct hash with its lowest offset, sorted by hash.
    /// - Parameters:
    ///   - disk: the image.
    ///   - list: an empty file for the list.
    ///   - makeScratch: creates an empty file for sorting, given its number.
    /// - Throws: `CloudletError` when a file can't be read or written.
    package static func writeHashList(
        of disk: File, to list: File, makeScratch: (Int) throws(CloudletError) -> File
    ) async throws(CloudletError) {
        let lastStart = try disk.size() - Page.size
        guard lastStart >= 0 else {
            throw CloudletError(.badData, "\(disk.path) is smaller than a page of \(Page.size) bytes")
        }
        var sorter = try HashListSorter(makeScratch: makeScratch)
        let ranges = try windowStarts(of: disk, lastStart: lastStart)
        if let zero = ranges.firstZero { try sorter.add(HashRecord(hash: PageHash.zero, offset: zero)) }
        let units = ranges.data.lazy.flatMap { pieces(of: $0, length: unitBytes) }
        let atOnce = WorkerPool.shared.unitsAtOnce(takingBytes: unitBytes)
        try await mapInOrder(units, atOnce: atOnce) { (starts) throws(CloudletError) -> [HashRecord] in
            try hashWindows(of: disk, startingIn: starts, lastStart: lastStart)
        } consume: { (records) throws(CloudletError) in
            for record in records { try sorter.add(record) }
        }
        var output = AppendingWriter(list)
        try sorter.drain { (record) throws(CloudletError) in
            record.append(to: &output.buffer)
            try output.flushIfFull()
        }
        try output.flush()
    }

    /// How many bytes are read and hashed at a time.
    static let unitBytes = 4 << 20

    /// The start ranges of the windows that overlap data, and the start of the first window that lies wholly in a hole.
    private static func windowStarts(
        of disk: File, lastStart: Int
    ) throws(CloudletError) -> (data: [Range<Int>], firstZero: Int?) {
        var data: [Range<Int>] = []
        var firstZero: Int?
        var end = 0
        try disk.forEachDataExtent(in: 0..<lastStart + Page.size) { (extent) throws(CloudletError) in
            let start = max(0, extent.lowerBound - Page.size + Page.sector)
            let stop = min(extent.upperBound, lastStart + 1)
            if start > end, firstZero == nil { firstZero = end }
            if let last = data.last, start <= last.upperBound {
                data[data.count - 1] = last.lowerBound..<max(stop, last.upperBound)
            } else if start < stop {
                data.append(start..<stop)
            }
            end = max(end, stop)
        }
        if end <= lastStart, firstZero == nil { firstZero = (end + Page.sector - 1) / Page.sector * Page.sector }
        return (data, firstZero.flatMap { $0 <= lastStart ? $0 : nil })
    }

    private static func hashWindows(
        of disk: File, startingIn starts: Range<Int>, lastStart: Int
    ) throws(CloudletError) -> [HashRecord] {
        let bytes = try disk.read(starts.count + Page.size, at: starts.lowerBound)
        var records: [HashRecord] = []
        records.reserveCapacity(starts.count / Page.sector)
        var zeroSeen = false
        let span = bytes.span
        let first = (starts.lowerBound + Page.sector - 1) / Page.sector * Page.sector
        for start in stride(from: first, to: min(starts.upperBound, lastStart + 1), by: Page.sector) {
            let offset = start - starts.lowerBound
            guard offset + Page.size <= span.count else { break }
            let window = span.extracting(offset..<offset + Page.size)
            if window.isAllZeros {
                // One record is enough: the sorter keeps the lowest offset.
                if !zeroSeen { records.append(HashRecord(hash: PageHash.zero, offset: start)) }
                zeroSeen = true
            } else {
                records.append(HashRecord(hash: SHA256Digest(hashing: window), offset: start))
            }
        }
        return records
    }
}
