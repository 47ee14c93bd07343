import CLinux
public import CloudletCore
import Glibc

/// A file, or a part of one, mapped for reading; unmapped when the last reference goes.
///
/// Only for files that nobody shortens while they are mapped (a base VM's files, memory of ours): touching a page
/// behind the end of a shortened file ends the process.
@safe public final class MappedFile: Sendable {
    /// Keeps the descriptor open, and names the file in messages.
    public let file: File
    /// Offset in the file of the first mapped byte.
    public let offset: Int
    /// Mapped bytes.
    public let count: Int

    // Immutable for the life of the object; the memory behind it is only read.
    private nonisolated(unsafe) let base: UnsafeRawPointer

    /// How the pages will be used.
    public enum Access: Sendable {
        /// From front to back: read ahead.
        case sequential
        /// Here and there: no read-ahead.
        case random
    }

    /// Maps `range` of `file`, or the whole file. The lower bound must be a multiple of the page size.
    public init(_ file: File, range: Range<Int>? = nil, access: Access = .sequential) throws(CloudletError) {
        let wanted = if let range { range } else { 0..<(try file.size()) }
        precondition(wanted.lowerBound % Page.size == 0, "mappings start at page boundaries")
        self.file = file
        offset = wanted.lowerBound
        count = wanted.count
        guard !wanted.isEmpty else {
            unsafe base = UnsafeRawPointer(bitPattern: UInt(Page.size)).unsafelyUnwrapped
            return
        }
        let address = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, file.descriptor, off_t(offset))
        guard let address = unsafe address, unsafe cloudlet_map_failed(address) == 0 else {
            throw SystemCallError.current("can't map \(file.path)")
        }
        unsafe madvise(address, count, access == .sequential ? MADV_SEQUENTIAL : MADV_RANDOM)
        unsafe base = UnsafeRawPointer(address)
    }

    deinit {
        if count > 0 { unsafe munmap(UnsafeMutableRawPointer(mutating: base), count) }
    }

    /// The mapped bytes.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span<UInt8>(_unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The mapped bytes as 64-bit words in memory order, for comparing pages; a last incomplete word is left out.
    public var words: Span<UInt64> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span<UInt64>(_unsafeStart: base.assumingMemoryBound(to: UInt64.self), count: count / 8)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
