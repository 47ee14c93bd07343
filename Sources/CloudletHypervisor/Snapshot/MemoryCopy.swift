// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// Copies guest RAM between files and shared memory. Holes stay holes, and pages of zeros are not written.
package enum MemoryCopy {
    /// Copies `range` of shared memory to the same offsets of a file, where the file must contain zeros.
    package static func copy(
        _ range: Range<Int>, from source: SharedMemory, to target: File
    ) async throws(CloudletError) {
        try await copy(range, from: source.file) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Copies `range` of a file to the same offsets of another file, where that file must contain zeros.
    package static func copy(_ range: Range<Int>, from source: File, to target: File) async throws(CloudletError) {
        try await copy(range, from: source) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Copies `range` of a file to the same offsets of shared memory, which must contain zeros there. `keep` is called
    /// with each run of pages and returns the parts to copy; it leaves out pages that come from elsewhere.
    package static func copy(
        _ range: Range<Int>, from source: File, to target: SharedMemory,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] }
    ) async throws(CloudletError) {
        try await copy(range, from: source, keeping: keep) { (bytes, offset) throws(CloudletError) in
            try target.write(bytes, at: offset)
        }
    }

    /// Bytes read and written at a time; they fit into a core's cache.
    private static let pieceBytes = 256 << 10

    /// Copies one piece at a time: the kernel lets only one writer into a file, and one is as fast as the memory. The
    /// source is read, not mapped, so that a truncated file or an unreadable sector causes an error instead of a
    /// signal.
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
            // In a truncated file, the missing part looks like a hole.
            guard try source.size() >= window.upperBound else { throw source.becameShorter }
        } consume: { (_) throws(CloudletError) in
        }
    }

    /// Writes each run of pages that are not all zeros with one call.
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
