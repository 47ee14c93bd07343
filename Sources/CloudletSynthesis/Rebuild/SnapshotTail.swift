// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem

/// The part of a rebuilt snapshot behind its RAM: description, device state, footer.
enum SnapshotTail {
    /// Copies those pages behind the RAM that the overlay does not contain from the base's snapshot.
    /// - Parameters:
    ///   - base: the base's snapshot.
    ///   - start: bytes of RAM; the copy begins there.
    ///   - target: the file for the rebuilt pages.
    ///   - origin: the offset in the snapshot that corresponds to the first byte of the file.
    ///   - size: bytes of the rebuilt snapshot.
    ///   - brought: the pages that the overlay contains.
    /// - Throws: `CloudletError` when a file can't be read or written.
    static func copy(
        of base: SnapshotFile, from start: Int, to target: File, origin: Int = 0, size: Int, without brought: PageSet
    ) throws(CloudletError) {
        let last = max(start, min(size, base.layout.fileBytes))
        for gap in brought.gaps(in: start..<last) {
            for piece in pieces(of: gap, length: 256 << 10) {
                let bytes = try base.file.read(piece.count, at: piece.lowerBound)
                guard bytes.count == piece.count else { throw base.file.becameShorter }
                try target.write(bytes, at: piece.lowerBound - origin)
            }
        }
    }

    /// Opens a rebuilt snapshot. It must describe the base's virtual hardware; otherwise it can't be resumed there.
    static func open(
        _ file: File, origin: Int = 0, machine: MachineDescription
    ) throws(CloudletError) -> SnapshotFile {
        let snapshot: SnapshotFile
        do throws(CloudletError) { snapshot = try SnapshotFile(file, origin: origin) } catch {
            throw CloudletError(.badData, "the overlay does not contain a valid memory snapshot", cause: error)
        }
        guard snapshot.description.machine == machine else {
            throw CloudletError(
                .badData, "the overlay's VM has other virtual hardware than its base",
                advice: "make the overlay again from this base VM")
        }
        return snapshot
    }
}
