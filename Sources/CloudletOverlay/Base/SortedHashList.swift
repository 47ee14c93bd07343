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
        var range = neighbourhood(of: hash.words.0, bytes)
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let prefix = Self.prefix(of: middle, bytes)
            var isBefore = prefix < hash.words.0
            if prefix == hash.words.0 {
                guard let record = HashRecord(Self.record(middle, bytes)) else { return nil }
                if record.hash == hash { return record.offset }
                isBefore = record.hash < hash
            }
            range = isBefore ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    /// The records among which one with this prefix must be. Hashes are uniform, so each look says about how far away it
    /// is; in a list where they are not, or are out of order, that leads anywhere, and more records are left.
    private func neighbourhood(of wanted: UInt64, _ bytes: Span<UInt8>) -> Range<Int> {
        let density = Double(count) / 0x1p64
        var range = 0..<count
        var guess = Int(Double(wanted) * density)
        for _ in 0..<3 where !range.isEmpty {
            guess = min(max(guess, range.lowerBound), range.upperBound - 1)
            let found = Self.prefix(of: guess, bytes)
            if found == wanted { break }
            range = found < wanted ? guess + 1..<range.upperBound : range.lowerBound..<guess
            guess += Int((Double(wanted) - Double(found)) * density)
        }
        guess = min(max(guess, range.lowerBound), range.upperBound)
        for reach in [8, 128, 2048] {
            let near = (guess - reach..<guess + reach).clamped(to: range)
            let beginsThere = near.lowerBound == range.lowerBound || Self.prefix(of: near.lowerBound, bytes) < wanted
            let endsThere = near.upperBound == range.upperBound || Self.prefix(of: near.upperBound, bytes) > wanted
            if beginsThere, endsThere { return near }
        }
        return range
    }

    @_lifetime(copy bytes)
    private static func record(_ index: Int, _ bytes: Span<UInt8>) -> Span<UInt8> {
        bytes.extracting(index * HashRecord.byteCount..<(index + 1) * HashRecord.byteCount)
    }

    /// The first eight bytes of a record's hash.
    private static func prefix(of index: Int, _ bytes: Span<UInt8>) -> UInt64 {
        bytes.bigEndian(at: index * HashRecord.byteCount + HashRecord.hashPosition, as: UInt64.self)
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
