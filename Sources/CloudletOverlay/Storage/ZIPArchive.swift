// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// Reads the central directory of a ZIP archive. Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and
/// 4.5.3.
package struct ZIPArchive {
    /// A member.
    package struct Entry {
        /// The name of the member, with `/` between components.
        package let name: String
        /// Whether the member is neither compressed nor encrypted.
        package let isStored: Bool
        fileprivate let size: UInt64
        fileprivate let headerOffset: UInt64
    }

    private let file: File
    private let size: Int

    private static let maximumDirectoryBytes = 16 << 20
    /// The end record, and a comment of any length.
    private static let maximumEndBytes = 22 + 0xFFFF

    /// Opens the archive in a file.
    package init(_ file: File) throws(CloudletError) {
        self.file = file
        size = try file.size()
    }

    /// All members in the order of the central directory.
    package func entries() throws(CloudletError) -> [Entry] {
        let directory = try directory()
        guard directory.size <= Self.maximumDirectoryBytes, directory.offset <= size,
            directory.size <= UInt64(size) - directory.offset
        else {
            throw Self.damaged("its directory is too large or lies outside the file")
        }
        var fields = LittleEndianFields(try file.read(Int(directory.size), at: Int(directory.offset)))
        var entries: [Entry] = []
        for _ in 0..<directory.count { entries.append(try Self.entry(&fields)) }
        return entries
    }

    /// The ranges of the bytes of all members, which must be stored. No byte may belong to two members: otherwise a small
    /// archive could contain any number of large members.
    package func ranges(of entries: [Entry]) throws(CloudletError) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for entry in entries { ranges.append(try range(of: entry)) }
        // A member begins at its header.
        let starts = entries.map { Int($0.headerOffset) }
        let order = entries.indices.sorted { starts[$0] < starts[$1] }
        for (left, right) in zip(order, order.dropFirst()) where ranges[left].upperBound > starts[right] {
            throw Self.damaged(
                "its members '\(entries[left].name.displayable(limit: 60))' and "
                    + "'\(entries[right].name.displayable(limit: 60))' overlap")
        }
        return ranges
    }

    private func range(of entry: Entry) throws(CloudletError) -> Range<Int> {
        guard entry.headerOffset <= size else { throw Self.damaged("a member lies outside the file") }
        var header = LittleEndianFields(try file.read(30, at: Int(entry.headerOffset)))
        guard try header.u32() == 0x0403_4B50 else { throw Self.damaged("a member has no header") }
        try header.skip(22)
        let names = UInt64(try header.u16()) + UInt64(try header.u16())
        let start = entry.headerOffset + 30 + names
        guard start <= size, entry.size <= UInt64(size) - start else { throw Self.damaged("a member is truncated") }
        return Int(start)..<Int(start + entry.size)
    }

    /// Finds the central directory by the end record.
    private func directory() throws(CloudletError) -> (count: UInt64, size: UInt64, offset: UInt64) {
        let tailStart = max(0, size - Self.maximumEndBytes)
        let tail = try file.read(size - tailStart, at: tailStart)
        let magic: [UInt8] = [0x50, 0x4B, 5, 6]
        guard
            let end = stride(from: tail.count - 22, through: 0, by: -1).first(where: {
                Array(tail[$0..<$0 + 4]) == magic
            })
        else { throw Self.damaged("it is not a ZIP archive") }
        var fields = LittleEndianFields(Array(tail[end...]))
        try fields.skip(10)
        let (count, bytes, offset) = (try fields.u16(), try fields.u32(), try fields.u32())
        guard count == 0xFFFF || bytes == .max || offset == .max else {
            return (UInt64(count), UInt64(bytes), UInt64(offset))
        }
        // ZIP64: a locator before the end record has the offset of the ZIP64 end record.
        guard tailStart + end >= 20 else { throw Self.damaged("it has no ZIP64 locator") }
        var locator = LittleEndianFields(try file.read(20, at: tailStart + end - 20))
        guard try locator.u32() == 0x0706_4B50 else { throw Self.damaged("it has no ZIP64 locator") }
        try locator.skip(4)
        let recordOffset = try locator.u64()
        guard recordOffset <= size else { throw Self.damaged("its ZIP64 record lies outside the file") }
        var record = LittleEndianFields(try file.read(56, at: Int(recordOffset)))
        guard try record.u32() == 0x0606_4B50 else { throw Self.damaged("it has no ZIP64 record") }
        try record.skip(28)
        return (try record.u64(), try record.u64(), try record.u64())
    }

    private static func entry(_ fields: inout LittleEndianFields) throws(CloudletError) -> Entry {
        guard try fields.u32() == 0x0201_4B50 else { throw damaged("its directory is damaged") }
        try fields.skip(4)
        let flags = try fields.u16()
        let method = try fields.u16()
        try fields.skip(8)
        var stored = UInt64(try fields.u32())
        var size = UInt64(try fields.u32())
        let lengths = (name: try fields.u16(), extra: try fields.u16(), comment: try fields.u16())
        try fields.skip(8)
        var header = UInt64(try fields.u32())
        let name = String(decoding: try fields.bytes(Int(lengths.name)), as: UTF8.self)
        var extra = LittleEndianFields(try fields.bytes(Int(lengths.extra)))
        try fields.skip(Int(lengths.comment))
        while extra.left >= 4 {
            let id = try extra.u16()
            var field = LittleEndianFields(try extra.bytes(Int(try extra.u16())))
            guard id == 1 else { continue }
            if size == UInt32.max { size = try field.u64() }
            if stored == UInt32.max { stored = try field.u64() }
            if header == UInt32.max { header = try field.u64() }
        }
        return Entry(
            name: name, isStored: method == 0 && flags & 1 == 0 && stored == size, size: size, headerOffset: header)
    }

    private static func damaged(_ reason: String) -> CloudletError {
        CloudletError(.badData, "the overlay package is not valid: \(reason)")
    }
}

/// Reads integers, least significant byte first.
private struct LittleEndianFields {
    private let all: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { all = bytes }

    var left: Int { all.count - position }

    mutating func bytes(_ count: Int) throws(CloudletError) -> [UInt8] {
        guard count <= left else { throw CloudletError(.badData, "the overlay package is not valid: it is truncated") }
        defer { position += count }
        return Array(all[position..<position + count])
    }

    mutating func skip(_ count: Int) throws(CloudletError) { _ = try bytes(count) }

    mutating func u16() throws(CloudletError) -> UInt16 { try integer() }

    mutating func u32() throws(CloudletError) -> UInt32 { try integer() }

    mutating func u64() throws(CloudletError) -> UInt64 { try integer() }

    private mutating func integer<Value: FixedWidthInteger>() throws(CloudletError) -> Value {
        try bytes(Value.bitWidth / 8).reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}
