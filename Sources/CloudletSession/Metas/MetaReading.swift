// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import Synchronization

/// Parses metas on threads of their own, because a large meta takes a second and would block other work. Small metas
/// don't wait for large ones.
enum MetaReading {
    static let small = WorkerPool(width: 1, label: "cloudlet-meta")
    static let large = WorkerPool(width: 1, label: "cloudlet-large-meta")
    private static let smallBytes = 512 << 10
    private static let isTrimming = Atomic(false)
    /// How long to wait after a meta is released, so that the last tasks have dropped it.
    private static let settling = Duration.seconds(1)

    /// A parsed meta, and the digest of its bytes.
    struct ReadMeta: Sendable {
        let meta: OverlayMeta
        let digest: SHA256Digest
    }

    /// Parses a meta, or only computes its digest if `known` has the parsed meta already. Does nothing if the task is
    /// cancelled before its turn.
    /// - Throws: `CloudletError.badData` when the meta is not valid.
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

    /// Returns freed memory to the system, once for all metas that are released within a moment.
    static func trimSoon() {
        guard !isTrimming.exchange(true, ordering: .acquiringAndReleasing) else { return }
        Task.detached {
            try? await Task.sleep(for: settling)
            isTrimming.store(false, ordering: .releasing)
            _ = try? await large.run { () throws(CloudletError) in MallocArenas.trim() }
        }
    }
}
