import CLinux
public import CloudletCore
import Glibc

/// A range of a file mapped for reading, for a short time; what lies behind the file's end reads as zeros.
///
/// Only for files that nobody shortens meanwhile (a base VM's, an ended VM's). Look only at stored data, not at holes:
/// in a file in memory, holes that are read through a mapping take memory.
@safe public final class FileView: Sendable {
    private let length: Int
    private let count: Int
    private let skipped: Int
    // Immutable for the life of the object; the memory behind it is only read.
    private nonisolated(unsafe) let base: UnsafeRawPointer

    /// Maps a range of a file. With `reading`, all of it is made ready at once: only for a range of stored data.
    public convenience init(_ file: File, _ range: Range<Int>, reading: Bool = false) throws(CloudletError) {
        let start = range.lowerBound / Page.size * Page.size
        let stored = Page.roundUp(try file.size())
        try self.init(
            file, start..<max(start, min(range.upperBound, stored)), skipped: range.lowerBound - start,
            count: range.count, reading: reading)
    }

    private init(
        _ file: File, _ stored: Range<Int>, skipped: Int, count: Int, reading: Bool
    ) throws(CloudletError) {
        self.count = count
        self.skipped = skipped
        length = max(Page.size, skipped + count)
        let whole = stored.count == length
        let flags = whole ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS
        let address = unsafe mmap(
            nil, length, PROT_READ, flags, whole ? file.descriptor : -1, whole ? off_t(stored.lowerBound) : 0)
        guard let address = unsafe address, unsafe cloudlet_map_failed(address) == 0 else {
            throw SystemCallError.current("can't map \(file.path)")
        }
        unsafe base = UnsafeRawPointer(address)
        if !whole, !stored.isEmpty {
            let placed = unsafe mmap(
                address, stored.count, PROT_READ, MAP_SHARED | MAP_FIXED, file.descriptor, off_t(stored.lowerBound))
            guard unsafe placed == address else { throw SystemCallError.current("can't map \(file.path)") }
        }
        // Older kernels don't know this and fault the pages in one by one.
        if reading, !stored.isEmpty { unsafe madvise(address, stored.count, cloudlet_madv_populate_read) }
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: base), length) }

    /// The bytes of the range.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let start = unsafe base.advanced(by: skipped).assumingMemoryBound(to: UInt8.self)
            let span = unsafe Span<UInt8>(_unsafeStart: start, count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
