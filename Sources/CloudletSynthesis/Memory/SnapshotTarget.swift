import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSystem

/// The memory snapshot under reconstruction: guest RAM goes straight into the shared memory of the waiting VM, the
/// pages behind it (description, device state, footer) into a small file.
final class SnapshotTarget: PageTarget {
    private let memory: SharedMemory
    private let tail: File

    init(memory: SharedMemory, tail: File) {
        self.memory = memory
        self.tail = tail
    }

    func place(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        let inMemory = min(bytes.count, max(0, memory.size - offset))
        if inMemory > 0 { try memory.write(bytes.extracting(0..<inMemory), at: offset) }
        if inMemory < bytes.count {
            try tail.write(bytes.extracting(inMemory..<bytes.count), at: offset + inMemory - memory.size)
        }
    }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {
        // Shared memory starts as zeros, and no page is placed twice.
        if offset >= memory.size {
            try tail.write([UInt8](repeating: 0, count: length), at: offset - memory.size)
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
