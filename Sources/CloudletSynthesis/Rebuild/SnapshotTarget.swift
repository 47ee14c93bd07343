// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem

/// The memory snapshot that is being rebuilt: guest RAM is written directly into the shared memory of the waiting VM,
/// the pages behind it (description, device state, footer) into a small file.
final class SnapshotTarget: PageTarget {
    private let memory: SharedMemory
    private let tail: File
    private let isFilled: Bool

    /// `isFilled` says that the memory already contains the base's pages; otherwise it is all zeros.
    init(memory: SharedMemory, tail: File, isFilled: Bool) {
        self.memory = memory
        self.tail = tail
        self.isFilled = isFilled
    }

    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
        try memory.write { (file) throws(CloudletError) in
            try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in
                let inMemory = min(run.count, max(0, memory.size - run.lowerBound))
                if inMemory > 0 { try file.write(part.extracting(0..<inMemory), at: run.lowerBound) }
                if inMemory < run.count {
                    try tail.write(
                        part.extracting(inMemory..<run.count), at: run.lowerBound + inMemory - memory.size)
                }
            }
        }
    }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {
        let inMemory = min(length, max(0, memory.size - offset))
        // No page is placed twice, so memory that was not filled is still zero.
        if isFilled, inMemory > 0 { try memory.clear(offset..<offset + inMemory) }
        guard inMemory < length else { return }
        let behind = offset + inMemory - memory.size..<offset + length - memory.size
        do throws(CloudletError) { try tail.punchHole(behind) } catch {
            // Not every file system supports holes.
            for piece in pieces(of: behind, length: 64 << 10) {
                try tail.write([UInt8](repeating: 0, count: piece.count), at: piece.lowerBound)
            }
        }
    }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        if offset < memory.size {
            _ = try memory.file.read(into: &buffer, count: count, at: offset)
        } else {
            _ = try tail.read(into: &buffer, count: count, at: offset - memory.size)
        }
    }
}
