import CloudletCore
import CloudletSystem
import SystemPackage

/// The memory of decompressors beyond what blobs of ours take. The original's streams take 64 MiB each, as soon as so
/// much has come out of them: only two may do so at once, over all sessions.
///
/// No blob waits for another one's network. A blob that still arrives gets a permit only if one is free at once; it goes
/// to a file otherwise, and is decoded when it is complete. For such blobs there is a permit of their own.
enum LargeWindow {
    /// A decompressor that takes no more than this needs no permit.
    static let smallBytes = 9 << 20
    /// Nor does one out of which no more than this has come: it has not used more yet.
    static let freeBytes = 1 << 20
    /// The head of a stream, which tells how much memory it takes, is not longer than this.
    static let headBytes = 2 << 10

    private static let arriving = AsyncSemaphore(1)
    private static let complete = AsyncSemaphore(1)

    /// A permit to use a large window; given back with the value.
    struct Permit: ~Copyable {
        private let semaphore: AsyncSemaphore

        fileprivate init(_ semaphore: AsyncSemaphore) { self.semaphore = semaphore }

        deinit { semaphore.release() }
    }

    /// A permit for a blob that still arrives, if one is free.
    static func permitAtOnce() -> Permit? { arriving.tryAcquire() ? Permit(arriving) : nil }

    /// A permit for a blob of which all bytes are here, waiting for it.
    static func permit() async throws(CloudletError) -> Permit {
        if let permit = permitAtOnce() { return permit }
        try await complete.acquire()
        return Permit(complete)
    }
}

/// The part of a blob that can't be decoded yet, in a file without a name.
struct BlobSpool {
    private let file: File
    /// Bytes in it.
    private(set) var count = 0

    /// An empty one, its file in this directory.
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
