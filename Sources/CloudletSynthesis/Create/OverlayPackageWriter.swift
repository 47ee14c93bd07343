// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
package import CloudletCore
package import CloudletOverlay
import CloudletSystem
package import SystemPackage

/// Writes an overlay as a package, the single-file form that elijah-cloudlet has used since 0.8.4: a ZIP archive with
/// stored members, `overlay-meta` and the blobs, and the comment `Cloudlet VM overlay`. Source: PKWARE APPNOTE 6.3,
/// sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3 (ZIP64).
package enum OverlayPackageWriter {
    /// Checks whether a package can be written to a path, before any work is done.
    /// - Throws: `CloudletError.cannotCreate` when the path already exists, or the error of trying to write there.
    package static func require(_ path: FilePath) throws(CloudletError) {
        guard try FileStatus.of(path) == nil else {
            throw CloudletError(.cannotCreate, "\(path) exists already", advice: "name another file with --package")
        }
        let probe = Publication()
        defer { probe.discard() }
        _ = try probe.create(path, permissions: 0o644)
    }

    /// Writes a package. It gets its name when it is complete and on the disk.
    /// - Parameters:
    ///   - overlay: the overlay.
    ///   - path: the file, which must not exist.
    ///   - progress: receives how much of the blobs is written.
    /// - Throws: `CloudletError` when it can't be written. Then no file is left.
    package static func write(
        _ overlay: OverlaySource, to path: FilePath, progress: (WorkProgress) -> Void = { _ in }
    ) throws(CloudletError) {
        try write(overlay, to: path, largeFrom: Int(UInt32.max), progress)
    }

    /// `largeFrom` is the smallest size or offset that is written in ZIP64's longer fields.
    static func write(
        _ overlay: OverlaySource, to path: FilePath, largeFrom: Int, _ progress: (WorkProgress) -> Void = { _ in }
    ) throws(CloudletError) {
        try Publication.recover([path])
        let publication = Publication()
        do throws(CloudletError) {
            var archive = ZIPWriter(try publication.create(path, permissions: 0o644), largeFrom: largeFrom)
            try archive.add("overlay-meta", size: overlay.metaBytes.count) { (range) throws(CloudletError) in
                Array(overlay.metaBytes[range])
            }
            let total = Double(max(1, overlay.meta.totalBlobBytes))
            var done = 0
            for (index, blob) in overlay.meta.blobs.enumerated() {
                let bytes = try overlay.open(index)
                try archive.add(blob.name, size: blob.size) { (range) throws(CloudletError) in
                    if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
                    return try bytes.read(range)
                }
                done += blob.size
                progress(.packaging(Double(done) / total))
            }
            try archive.finish(comment: "Cloudlet VM overlay")
            try publication.publish()
        } catch {
            publication.discard()
            throw error.during("the package \(path) was not written")
        }
    }
}

/// Writes a ZIP archive member by member.
private struct ZIPWriter {
    private struct Member {
        let name: [UInt8]
        let size: Int
        let offset: Int
        var checksum = CRC32()
    }

    private let file: File
    private let largeFrom: Int
    private var members: [Member] = []
    private var position = 0

    private static let pieceBytes = 256 << 10

    init(_ file: File, largeFrom: Int) {
        self.file = file
        self.largeFrom = largeFrom
    }

    /// Adds a member. `read` returns its bytes.
    mutating func add(
        _ name: String, size: Int, _ read: (Range<Int>) throws(CloudletError) -> [UInt8]
    ) throws(CloudletError) {
        var member = Member(name: Array(name.utf8), size: size, offset: position)
        let start = position + localHeader(member).count
        for range in pieces(of: 0..<size, length: Self.pieceBytes) {
            let bytes = try read(range)
            member.checksum.add(bytes.span)
            try file.write(bytes.span, at: start + range.lowerBound)
        }
        // The checksum is known now, so the header can be written.
        try file.write(localHeader(member).span, at: position)
        position = start + size
        members.append(member)
    }

    /// Writes the central directory.
    func finish(comment: String) throws(CloudletError) {
        var end: [UInt8] = []
        for member in members { end += directoryEntry(member) }
        let size = end.count
        let isLong = members.count >= 0xFFFF || position >= largeFrom || size >= largeFrom
        if isLong {
            end +=
                Fields(0x0606_4B50, u32: []).with(u64: 44).with(u16: 45, 45).with(u32: 0, 0)
                .with(u64: members.count, members.count, size, position).bytes
            end += Fields(0x0706_4B50, u32: [0]).with(u64: position + size).with(u32: 1).bytes
        }
        let count = UInt16(clamping: members.count)
        end +=
            Fields(0x0605_4B50, u32: []).with(u16: 0, 0, count, count)
            .with(u32: isLong ? .max : UInt32(size), isLong ? .max : UInt32(position)).with(
                u16: UInt16(comment.utf8.count)
            ).bytes
        try file.write((end + Array(comment.utf8)).span, at: position)
    }

    /// Names are UTF-8 (bit 11). The date is the format's earliest, so that an overlay always gives the same bytes.
    private static let flags: UInt16 = 1 << 11
    private static let date: UInt16 = 1 << 5 | 1

    private func localHeader(_ member: Member) -> [UInt8] {
        let isLarge = member.size >= largeFrom
        let extra = isLarge ? Fields(u16: 1, 16).with(u64: member.size, member.size).bytes : []
        let size = isLarge ? .max : UInt32(member.size)
        return Fields(0x0403_4B50, u32: []).with(u16: isLarge ? 45 : 20, Self.flags, 0, 0, Self.date)
            .with(u32: member.checksum.value, size, size)
            .with(u16: UInt16(member.name.count), UInt16(extra.count)).bytes + member.name + extra
    }

    private func directoryEntry(_ member: Member) -> [UInt8] {
        let isLarge = member.size >= largeFrom
        let isFar = member.offset >= largeFrom
        var large = Fields()
        if isLarge { large = large.with(u64: member.size, member.size) }
        if isFar { large = large.with(u64: member.offset) }
        let extra = large.bytes.isEmpty ? [] : Fields(u16: 1, UInt16(large.bytes.count)).bytes + large.bytes
        let version: UInt16 = isLarge || isFar ? 45 : 20
        let size = isLarge ? .max : UInt32(member.size)
        // Made on Unix (3), a regular file of mode 0644.
        return Fields(0x0201_4B50, u32: []).with(u16: 3 << 8 | version, version, Self.flags, 0, 0, Self.date)
            .with(u32: member.checksum.value, size, size)
            .with(u16: UInt16(member.name.count), UInt16(extra.count), 0, 0, 0)
            .with(u32: 0o100644 << 16, isFar ? .max : UInt32(member.offset)).bytes + member.name + extra
    }
}

/// Integers, least significant byte first.
private struct Fields {
    var bytes: [UInt8] = []

    init() {}
    init(_ signature: UInt32, u32: [UInt32]) { self = with(u32: [signature] + u32) }
    init(u16 values: UInt16...) { self = with(u16: values) }

    func with(u16 values: UInt16...) -> Fields { with(u16: values) }
    func with(u32 values: UInt32...) -> Fields { with(u32: values) }
    func with(u64 values: Int...) -> Fields { adding(values.map { UInt64($0) }) }

    private func with(u16 values: [UInt16]) -> Fields { adding(values) }
    private func with(u32 values: [UInt32]) -> Fields { adding(values) }

    private func adding(_ values: [some FixedWidthInteger]) -> Fields {
        var result = self
        for value in values {
            result.bytes += (0..<(type(of: value).bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        return result
    }
}
