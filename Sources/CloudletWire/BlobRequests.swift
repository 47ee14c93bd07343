// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Decides which blobs the server requests and when. Each is requested once, in the order of the meta unless one is
/// needed first, while the requested blobs that have not arrived are at most 512 KiB together. So a single blob above
/// this limit is normal, as in the original.
package struct BlobRequests: Sendable {
    /// A blob that can be requested from the client.
    package struct Blob: Sendable, Hashable {
        /// Its name.
        package let name: String
        /// Its size in bytes.
        package let size: Int

        /// Creates a description of a blob.
        package init(name: String, size: Int) {
            self.name = name
            self.size = size
        }
    }

    /// More blobs are requested while the outstanding ones have at most this many bytes.
    package static let bound = 512 << 10
    /// More blobs are requested while fewer than this many are outstanding: so many tiny blobs fit into the limit in
    /// bytes that requesting all of them at once would delay other work.
    package static let most = 512

    private var waiting: [Int]
    private var outstanding: [String: Int] = [:]
    private let blobs: [Blob]
    private var outstandingBytes = 0
    /// The blob that must come before any other.
    private var first: Int?

    /// Creates the requests for the blobs of a meta.
    /// - Parameters:
    ///   - blobs: their names and sizes.
    ///   - present: indices of blobs that are not needed any more.
    ///   - first: index of the blob that must come before any other.
    package init(_ blobs: [Blob], present: Set<Int> = [], first: Int? = nil) {
        self.blobs = blobs
        self.first = first
        waiting = blobs.indices.filter { !present.contains($0) }.reversed()
        if let first { prefer(first) }
    }

    /// Whether every blob has arrived.
    package var isComplete: Bool { waiting.isEmpty && outstanding.isEmpty }

    /// Returns the names of the blobs to request now.
    package mutating func next() -> [String] {
        var names: [String] = []
        while outstandingBytes <= Self.bound, outstanding.count < Self.most, let index = waiting.popLast() {
            outstanding[blobs[index].name] = index
            outstandingBytes += blobs[index].size
            names.append(blobs[index].name)
        }
        return names
    }

    /// Moves a blob to the front of those not requested yet.
    package mutating func prefer(_ index: Int) {
        guard let position = waiting.firstIndex(of: index) else { return }
        waiting.append(waiting.remove(at: position))
    }

    /// Notes that a blob begins to arrive.
    /// - Returns: its index in the meta.
    /// - Throws: `WireError` if it was not requested, has another size, or another one must come first.
    package mutating func begin(_ name: String, size: Int) throws(WireError) -> Int {
        guard let index = outstanding[name] else { throw .unknownBlob(name) }
        guard blobs[index].size == size else { throw .wrongBlobSize(name, size, expected: blobs[index].size) }
        guard first == nil || first == index else { throw .notTheBrokenOffBlob }
        first = nil
        return index
    }

    /// Notes that a blob has arrived completely.
    package mutating func complete(_ index: Int) {
        if outstanding.removeValue(forKey: blobs[index].name) != nil { outstandingBytes -= blobs[index].size }
    }
}
