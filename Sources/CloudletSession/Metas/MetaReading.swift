import CloudletCore
import CloudletOverlay
import CloudletSystem

/// Reads metas on threads of their own: a large one takes a second, in which other work must not wait. Small ones don't
/// wait for large ones.
enum MetaReading {
    static let small = WorkerPool(width: 1, label: "cloudlet-meta")
    static let large = WorkerPool(width: 1, label: "cloudlet-large-meta")
    private static let smallBytes = 512 << 10

    /// A meta that was read, and the digest of its bytes.
    struct ReadMeta: Sendable {
        let meta: OverlayMeta
        let digest: SHA256Digest
    }

    /// Reads a meta, or only its digest when it has been read; nothing is done for a task that is cancelled before its turn.
    /// - Throws: `CloudletError.badData` when it is not valid.
    static func read(_ bytes: [UInt8], as known: OverlayMeta? = nil) async throws(CloudletError) -> ReadMeta {
        let pool = bytes.count > smallBytes ? large : small
        return try await pool.run { () throws(CloudletError) in
            guard !Task.isCancelled else { throw CloudletError(.interrupted, "interrupted") }
            do throws(OverlayFormatError) {
                let meta = if let known { known } else { try OverlayMeta(reading: bytes.span) }
                return ReadMeta(meta: meta, digest: SHA256Digest(hashing: bytes.span))
            } catch {
                throw CloudletError(.badData, "No matching Base VM: the overlay-meta is not valid", cause: error)
            }
        }
    }
}
