/// Decides which blobs the server asks for and when: in the order of the meta, unless one is needed first; each once;
/// while what is under way is at most 512 KiB, so that one blob above the bound is normal (the original's rule).
package struct BlobRequests: Sendable {
    /// A blob the client can be asked for.
    package struct Blob: Sendable, Hashable {
        /// Its name.
        package let name: String
        /// Its size in bytes.
        package let size: Int

        /// Names a blob.
        package init(name: String, size: Int) {
            self.name = name
            self.size = size
        }
    }

    /// More blobs are requested while at most this many bytes are under way.
    package static let bound = 512 << 10
    /// More blobs are requested while fewer than this are under way: so many tiny ones fit into the bound that asking for
    /// them all would keep others waiting.
    package static let most = 512

    private var waiting: [Int]
    private var outstanding: [String: Int] = [:]
    private let blobs: [Blob]
    private var outstandingBytes = 0
    /// The blob that must come before any other.
    private var first: Int?

    /// The blobs of a meta.
    /// - Parameters:
    ///   - blobs: their names and sizes.
    ///   - present: indices of those that need not come any more.
    ///   - first: index of the one that must come before any other.
    package init(_ blobs: [Blob], present: Set<Int> = [], first: Int? = nil) {
        self.blobs = blobs
        self.first = first
        waiting = blobs.indices.filter { !present.contains($0) }.reversed()
        if let first { prefer(first) }
    }

    /// Whether every blob has come.
    package var isComplete: Bool { waiting.isEmpty && outstanding.isEmpty }

    /// The names to ask for now.
    package mutating func next() -> [String] {
        var names: [String] = []
        while outstandingBytes <= Self.bound, outstanding.count < Self.most, let index = waiting.popLast() {
            outstanding[blobs[index].name] = index
            outstandingBytes += blobs[index].size
            names.append(blobs[index].name)
        }
        return names
    }

    /// Puts a blob in front of those not asked for yet.
    package mutating func prefer(_ index: Int) {
        guard let position = waiting.firstIndex(of: index) else { return }
        waiting.append(waiting.remove(at: position))
    }

    /// A blob begins to come.
    /// - Returns: its index in the meta.
    /// - Throws: `WireError` when it was not asked for, has another size, or another one must come first.
    package mutating func begin(_ name: String, size: Int) throws(WireError) -> Int {
        guard let index = outstanding[name] else { throw .unknownBlob(name) }
        guard blobs[index].size == size else { throw .wrongBlobSize(name, size, expected: blobs[index].size) }
        guard first == nil || first == index else { throw .notTheBrokenOffBlob }
        first = nil
        return index
    }

    /// A blob has come completely.
    package mutating func complete(_ index: Int) {
        if outstanding.removeValue(forKey: blobs[index].name) != nil { outstandingBytes -= blobs[index].size }
    }
}
