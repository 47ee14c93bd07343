public import CloudletCore
public import CloudletSystem

/// A hash list in order of its hashes, mapped from its file: where in an image a page with a given hash is.
///
/// `.base-img-meta` (whose order the original leaves open) is written in this order and so is its own index;
/// `.base-mem-index` is the same for the memory snapshot, whose `.base-mem-meta` must be in page order.
public struct SortedHashList: Sendable {
    private let map: MappedFile
    /// Number of records.
    public let count: Int

    /// Maps a list. Its order is not checked here: a lookup in an unsorted list finds too little, never wrongly,
    /// because users compare the bytes found.
    public init(_ file: File) throws(CloudletError) {
        let size = try file.size()
        guard size % HashRecord.byteCount == 0 else {
            throw CloudletError(
                .badData, "the hash list \(file.path) is cut off",
                advice: "make the base VM anew, or repair it with 'cloudlet add-base'")
        }
        map = try MappedFile(file, access: .random)
        count = size / HashRecord.byteCount
    }

    /// The lowest offset at which the page with this hash lies, if any.
    public func offset(of hash: SHA256Digest) -> Int? {
        let bytes = map.bytes
        var low = 0
        var high = count
        // Hashes are uniform: the first guesses come from the hash's value, then the range is halved.
        var guesses = 3
        while low < high {
            var middle = low + (high - low) / 2
            if guesses > 0 {
                guesses -= 1
                let fraction = Double(hash.words.0) / 0x1p64
                middle = min(high - 1, max(low, Int(fraction * Double(count))))
            }
            guard let record = HashRecord(bytes.extracting(middle * HashRecord.byteCount..<bytes.count)) else {
                return nil
            }
            if record.hash == hash { return record.offset }
            if record.hash < hash { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    /// The records in order of hash.
    func forEach(_ body: (HashRecord) -> Void) {
        let bytes = map.bytes
        for index in 0..<count {
            if let record = HashRecord(bytes.extracting(index * HashRecord.byteCount..<bytes.count)) { body(record) }
        }
    }

    /// Whether the records are in order of hash, each hash once.
    public func isSorted() -> Bool {
        var last: SHA256Digest?
        var sorted = true
        forEach { record in
            if let last, !(last < record.hash) { sorted = false }
            last = record.hash
        }
        return sorted
    }
}
