package import CloudletCore
package import CloudletSystem

/// Copies guest RAM between files and shared memory: holes stay holes, pages of zeros are not written.
package enum MemoryCopy {
    /// Copies `range` of shared memory to the same place of a file, whose range must read as zeros.
    package static func copy(
        _ range: Range<Int>, from source: SharedMemory, to target: File
    ) async throws(CloudletError) {
        try await copy(range, from: source.file) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Copies `range` of a file to the same place of another, whose range must read as zeros.
    package static func copy(_ range: Range<Int>, from source: File, to target: File) async throws(CloudletError) {
        try await copy(range, from: source) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Copies `range` of a file to the same place of shared memory, whose range must read as zeros. `keep` is called
    /// with each run of pages about to be copied and answers the parts to copy, for pages that come from elsewhere.
    package static func copy(
        _ range: Range<Int>, from source: File, to target: SharedMemory,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] }
    ) async throws(CloudletError) {
        try await copy(range, from: source, keeping: keep) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Read and written at a time: what a core's cache bears.
    private static let pieceBytes = 256 << 10

    /// One piece at a time: a file takes one writer, and one keeps up with what memory gives. The source is read, not
    /// mapped: a file that is cut meanwhile, or has a sector that can't be read, must fail as an error.
    private static func copy(
        _ range: Range<Int>, from source: File,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] },
        write: @escaping @Sendable (Span<UInt8>, Int) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        try await mapInOrder(pieces(of: range, length: 32 << 20), on: .background, atOnce: 1) {
            (window) throws(CloudletError) in
            var buffer = [UInt8](repeating: 0, count: min(pieceBytes, window.count))
            try source.forEachDataExtent(in: window) { (extent) throws(CloudletError) in
                for part in keep(extent) {
                    for piece in pieces(of: part, length: pieceBytes) {
                        try source.readWhole(into: &buffer, count: piece.count, at: piece.lowerBound)
                        try writePages(buffer.span.extracting(0..<piece.count), at: piece.lowerBound, write)
                    }
                }
            }
            // A file that was cut has a hole there.
            guard try source.size() >= window.upperBound else { throw source.becameShorter }
        } consume: { (_) throws(CloudletError) in
        }
    }

    /// Writes runs of pages that hold something, each in one go.
    private static func writePages(
        _ bytes: Span<UInt8>, at offset: Int, _ write: (Span<UInt8>, Int) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, !bytes.extracting(end..<min(end + Page.size, bytes.count)).isAllZeros {
                end += Page.size
            }
            end = min(end, bytes.count)
            if end > start { try write(bytes.extracting(start..<end), offset + start) }
            start = end + Page.size
        }
    }
}
