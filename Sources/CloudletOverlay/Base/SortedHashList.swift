package import CloudletCore
package import CloudletSystem

/// A hash list in order of its hashes, looked up in its file: where in an image a page with a given hash is.
///
/// `.base-img-meta` (whose order the original leaves open) is written in this order and so is its own index;
/// `.base-mem-index` is the same for the memory snapshot, whose `.base-mem-meta` must be in page order. The file is read,
/// not mapped: others may cut it, and a disk may fail, at any time.
package struct SortedHashList: Sendable {
    private let file: File
    /// Number of records.
    package let count: Int

    /// Opens a list. Its order is not checked here: a lookup in an unsorted list finds too little, never wrongly,
    /// because users compare the bytes found.
    package init(_ file: File) throws(CloudletError) {
        let size = try file.size()
        guard size % HashRecord.byteCount == 0 else {
            throw CloudletError(
                .badData, "the hash list \(file.path) is cut off",
                advice: "make the base VM anew, or repair it with 'cloudlet add-base'")
        }
        self.file = file
        count = size / HashRecord.byteCount
    }

    /// Records that are read at a time: about as many as one more guess misses by.
    private static let blockRecords = 64
    /// Bytes that a lookup needs in its scratch buffer.
    private static let blockBytes = blockRecords * HashRecord.byteCount

    /// The lowest offset at which the page with this hash lies, if any.
    /// - Throws: `CloudletError.io` when the list can't be read or was cut since it was opened.
    package func offset(of hash: SHA256Digest) throws(CloudletError) -> Int? {
        var scratch: [UInt8] = []
        return try offset(of: hash, scratch: &scratch)
    }

    /// The same with a buffer that is used again. Hashes are uniform, so each look says about how far away the wanted one
    /// is; in a list where they are not, or are out of order, that leads anywhere, and after a few looks what is left is
    /// halved each time.
    func offset(of hash: SHA256Digest, scratch: inout [UInt8]) throws(CloudletError) -> Int? {
        if scratch.count < Self.blockBytes { scratch = [UInt8](repeating: 0, count: Self.blockBytes) }
        let density = Double(count) / 0x1p64
        let wanted = Double(hash.words.0)
        var range = 0..<count
        var guess = Int(wanted * density)
        var looks = 0
        while !range.isEmpty {
            let middle =
                looks < 4 ? min(max(guess, range.lowerBound), range.upperBound - 1) : range.lowerBound + range.count / 2
            looks += 1
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

    /// Looks among the first `count` records of `bytes`.
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

    /// The records in order of hash.
    func forEach(_ body: (HashRecord) -> Void) throws(CloudletError) {
        for block in pieces(of: 0..<count, length: 16 << 10) {
            let bytes = try file.read(block.count * HashRecord.byteCount, at: block.lowerBound * HashRecord.byteCount)
            guard bytes.count == block.count * HashRecord.byteCount else { throw file.becameShorter }
            for index in 0..<block.count {
                if let record = HashRecord(Self.record(index, bytes.span)) { body(record) }
            }
        }
    }

    /// Whether the records are in order of hash, each hash once.
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
