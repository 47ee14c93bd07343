// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// A fingerprint of a sparse file that is computed on all cores without reading holes: SHA-256 over, in order, the offset
/// (8 bytes, big-endian) and the SHA-256 of each 64 KiB unit that is not all zeros, and finally the size of the file (8
/// bytes, big-endian). Stored zeros and holes give the same fingerprint.
package enum DataDigest {
    private static let unitBytes = 64 << 10

    /// The fingerprint of a file.
    /// - Throws: `CloudletError` when the file can't be read or is truncated while it is read.
    package static func of(_ file: File) async throws(CloudletError) -> SHA256Digest {
        let size = try file.size()
        var ranges: [Range<Int>] = []
        try file.forEachDataExtent(in: 0..<size) { extent in
            let start = max(extent.lowerBound / unitBytes * unitBytes, ranges.last?.upperBound ?? 0)
            let end = min((extent.upperBound + unitBytes - 1) / unitBytes * unitBytes, size)
            if start < end { ranges.append(start..<end) }
        }
        let runs = ranges.lazy.flatMap { pieces(of: $0, length: DiskFingerprint.unitBytes) }
        let atOnce = WorkerPool.shared.unitsAtOnce(takingBytes: DiskFingerprint.unitBytes)
        var hasher = SHA256Hasher()
        try await mapInOrder(runs, atOnce: atOnce) { (run) throws(CloudletError) -> [UInt8] in
            try records(of: file, in: run)
        } consume: {
            hasher.update($0.span)
        }
        var end: [UInt8] = []
        end.appendBigEndian(UInt64(size))
        hasher.update(end.span)
        return hasher.finalize()
    }

    private static func records(of file: File, in run: Range<Int>) throws(CloudletError) -> [UInt8] {
        let bytes = try file.read(run.count, at: run.lowerBound)
        guard bytes.count == run.count else { throw file.becameShorter }
        var records: [UInt8] = []
        for unit in pieces(of: 0..<run.count, length: unitBytes) {
            let span = bytes.span.extracting(unit)
            if span.isAllZeros { continue }
            records.appendBigEndian(UInt64(run.lowerBound + unit.lowerBound))
            records += SHA256Digest(hashing: span).bytes
        }
        return records
    }
}
