public import CloudletCore
public import CloudletSystem

/// Copies guest RAM between files and shared memory: holes stay holes, pages of zeros are not written.
public enum MemoryCopy {
    /// Copies `range` of shared memory to the same place of a file, whose range must read as zeros.
    public static func copy(
        _ range: Range<Int>, from source: SharedMemory, to target: File
    ) async throws(CloudletError) {
        try await copy(range, from: source.file) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Copies `range` of a file to the same place of shared memory, whose range must read as zeros. `keep` is called
    /// with each run of pages about to be copied and answers the parts to copy, for pages that come from elsewhere.
    public static func copy(
        _ range: Range<Int>, from source: File, to target: SharedMemory,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] }
    ) async throws(CloudletError) {
        try await copy(range, from: source, keeping: keep) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// One piece at a time: a file takes one writer, and one keeps up with what memory gives.
    private static func copy(
        _ range: Range<Int>, from source: File,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] },
        write: @escaping @Sendable (Span<UInt8>, Int) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        try await mapInOrder(pieces(of: range, length: 32 << 20), on: .background, atOnce: 1) {
            (window) throws(CloudletError) in
            try source.forEachDataExtent(in: window) { (extent) throws(CloudletError) in
                for part in keep(extent) {
                    for piece in pieces(of: part, length: 1 << 20) { try copyPiece(piece, source, write) }
                }
            }
        } consume: { (_) throws(CloudletError) in
        }
    }

    private static func copyPiece(
        _ piece: Range<Int>, _ source: File, _ write: (Span<UInt8>, Int) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        let view = try FileView(source, piece, reading: true)
        var start = 0
        while start < piece.count {
            // Runs of pages that hold something are written in one go.
            var end = start
            while end < piece.count,
                !view.bytes.extracting(end..<min(end + Page.size, piece.count)).isAllZeros
            {
                end += Page.size
            }
            end = min(end, piece.count)
            if end > start { try write(view.bytes.extracting(start..<end), piece.lowerBound + start) }
            start = end + Page.size
        }
    }
}
