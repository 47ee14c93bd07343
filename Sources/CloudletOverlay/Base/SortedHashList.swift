// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// A hash list sorted by hash, searched in its file for the offset of a page with a given hash.
///
/// `.base-img-meta`, whose order the original does not fix, is sorted and so is its own index; `.base-mem-index` is the
/// index of the memory snapshot, whose `.base-mem-meta` must be in page order. The file is read, not mapped: other programs
/// can truncate it and the disk can fail at any time, which in a mapping would end the process (SIGBUS).
package struct SortedHashList: Sendable {
    private let file: File
    /// The number of records.
    package let count: Int

    /// Opens a list without checking that it is sorted: a lookup in an unsorted list finds fewer pages, never wrong ones,
    /// because callers compare the bytes found.
    /// - Throws: `CloudletError.badData` when the size of the file is not a multiple of the size of a record.
    package init(_ file: File) throws(CloudletError) {
        let size = try file.size()
        guard size % HashRecord.byteCount == 0 else {
            throw CloudletError(
                .badData, "the hash list \(file.path) is truncated",
                advice: "create the base VM again, or repair it with 'cloudlet add-base'")
        }
        self.file = file
        count = size / HashRecord.byteCount
    }

    /// How many records are read at a time: about the distance by which a further guess would miss.
    private static let blockRecords = 64
    /// The size of the buffer for a lookup, in bytes.
    private static let blockBytes = blockRecords * HashRecord.byteCount

    /// The lowest offset of a page with this hash, or `nil` when the list has none.
    /// - Throws: `CloudletError.io` when the list can't be read or was truncated since it was opened.
    package func offset(of hash: SHA256Digest) throws(CloudletError) -> Int? {
        var scratch: [UInt8] = []
        return try offset(of: hash, scratch: &scratch)
    }

    /// The same with a buffer to reuse. This is an interpolation search: hashes are uniformly distributed, so each block
    /// read predicts how far away the wanted hash is. In a list that is not uniform or not sorted such guesses are useless,
    /// so after four of them the search goes on as a binary search.
    func offset(of hash: SHA256Digest, scratch: inout [UInt8]) throws(CloudletError) -> Int? {
        if scratch.count < Self.blockBytes { scratch = [UInt8](repeating: 0, count: Self.blockBytes) }
        let density = Double(count) / 0x1p64
        let wanted = Double(hash.words.0)
        var range = 0..<count
        var guess = Int(wanted * density)
        var reads = 0
        while !range.isEmpty {
            let middle =
                reads < 4 ? min(max(guess, range.lowerBound), range.upperBound - 1) : range.lowerBound + range.count / 2
            reads += 1
            let start = max(range.lowerBound, middle - Self.blockRecords / 2)
            let block = start..<min(range.upperBound, start + Self.blockRecords)
            try file.readWhole(
                into: &scratch, count: block.count * HashRecord.byteCount, at: block.lowerBound * HashRecord.byteCount)
            let bytes = scratch.span
            let (first, last) = (Self.hash(0, bytes), Self.hash(block.count - 1, bytes))
            if hash < first {
                range = range.lowerBound..<block.lowerBound
                guess = block.lowerBound - Int((Double(first.words.0) - wanted).magnitude * density)
            } else if last < hash {
                range = block.upperBound..<range.upperBound
                guess = block.upperBound + Int((wanted - Double(last.words.0)).magnitude * density)
            } else {
                return Self.offset(of: hash, in: block.count, bytes)
            }
        }
        return nil
    }

    /// Searches the first `count` records of `bytes`.
    private static func offset(of hash: SHA256Digest, in count: Int, _ bytes: Span<UInt8>) -> Int? {
        var range = 0..<count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let found = Self.hash(middle, bytes)
            if found == hash { return HashRecord(record(middle, bytes))?.offset }
            range = found < hash ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    @_lifetime(copy bytes)
    private static func record(_ index: Int, _ bytes: Span<UInt8>) -> Span<UInt8> {
        bytes.extracting(index * HashRecord.byteCount..<(index + 1) * HashRecord.byteCount)
    }

    private static func hash(_ index: Int, _ bytes: Span<UInt8>) -> SHA256Digest {
        let start = index * HashRecord.byteCount + HashRecord.hashPosition
        func word(_ number: Int) -> UInt64 { bytes.bigEndian(at: start + 8 * number, as: UInt64.self) }
        return SHA256Digest(words: (word(0), word(1), word(2), word(3)))
    }

    /// Calls `body` with each record in the order of the list.
    func forEach(_ body: (HashRecord) -> Void) throws(CloudletError) {
        for block in pieces(of: 0..<count, length: 16 << 10) {
            let bytes = try file.read(block.count * HashRecord.byteCount, at: block.lowerBound * HashRecord.byteCount)
            guard bytes.count == block.count * HashRecord.byteCount else { throw file.becameShorter }
            for index in 0..<block.count {
                if let record = HashRecord(Self.record(index, bytes.span)) { body(record) }
            }
        }
    }

    /// Whether the records are sorted by hash and no hash occurs twice.
    package func isSorted() throws(CloudletError) -> Bool {
        var last: SHA256Digest?
        var sorted = true
        try forEach { record in
            if let last, !(last < record.hash) { sorted = false }
            last = record.hash
        }
        return sorted
    }
}
