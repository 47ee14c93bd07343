// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import SystemPackage

/// Limits the memory of decompressors that need more than this program's own blobs do. The original's streams use up to
/// 64 MiB each, growing with their output. Only two of them may do so at once, over all sessions.
///
/// No blob waits for another client's network. A blob that is still arriving gets a permit only if one is free at once.
/// Otherwise it is written to a file and decoded when it is complete. Complete blobs have a separate permit.
enum LargeWindow {
    /// A decompressor that uses at most this many bytes needs no permit.
    static let smallBytes = 9 << 20
    /// A decompressor that has produced at most this many bytes needs no permit: it has not used more memory yet.
    static let freeBytes = 1 << 20
    /// Upper limit of the length of a stream's header, which contains the memory that the stream needs.
    static let headBytes = 2 << 10

    private static let arriving = AsyncSemaphore(1)
    private static let complete = AsyncSemaphore(1)

    /// A permit to use a large window. It is released when the value is destroyed.
    struct Permit: ~Copyable {
        private let semaphore: AsyncSemaphore

        fileprivate init(_ semaphore: AsyncSemaphore) { self.semaphore = semaphore }

        deinit { semaphore.release() }
    }

    /// A permit for a blob that is still arriving, or `nil` if none is free.
    static func permitAtOnce() -> Permit? { arriving.tryAcquire() ? Permit(arriving) : nil }

    /// Waits for a permit for a blob that has arrived completely.
    static func permit() async throws(CloudletError) -> Permit {
        if let permit = permitAtOnce() { return permit }
        try await complete.acquire()
        return Permit(complete)
    }
}

/// The part of a blob that can't be decoded yet, in a file without a name.
struct BlobSpool {
    private let file: File
    /// Number of bytes in the file.
    private(set) var count = 0

    /// An empty spool whose file is in this directory.
    init(in directory: FilePath) throws(CloudletError) { file = try File.unnamed(in: directory) }

    /// Adds bytes.
    mutating func append(_ bytes: Span<UInt8>) throws(CloudletError) {
        try file.write(bytes, at: count)
        count += bytes.count
    }

    /// The bytes of a range.
    func read(_ range: Range<Int>) throws(CloudletError) -> [UInt8] {
        try file.read(range.count, at: range.lowerBound)
    }
}
