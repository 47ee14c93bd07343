// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Reads the members of a tar archive. Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended
/// Header"; the manual of GNU tar, "Basic Tar Format".
struct TarArchive {
    /// A regular file in an archive.
    struct Member {
        let name: String
        /// Its bytes in the archive.
        let range: Range<Int>
        /// Whether holes of the file are left out, so that its bytes are not the file's.
        let isSparse: Bool
    }

    private let archive: ImageContent
    private static let block = 512
    /// An appliance has some ten members.
    private static let mostMembers = 4096
    private static let longestExtension = 1 << 20

    init(_ archive: ImageContent) { self.archive = archive }

    /// The regular files, in their order.
    /// - Throws: `CloudletError.badData` when the archive is damaged or cut off.
    func members() throws(CloudletError) -> [Member] {
        var members: [Member] = []
        var position = 0
        var extended = Extension()
        for _ in 0..<Self.mostMembers {
            let header = try archive.read(Self.block, at: position)
            // Two blocks of zeros end an archive; some programs write fewer.
            if header.isEmpty || header.span.isAllZeros { return members }
            guard header.count == Self.block, try isHeader(header) else {
                throw damaged("has no valid header at byte \(position)")
            }
            let type = header[156]
            let start = position + Self.block
            let size = if let size = extended.size { size } else { try number(header[124..<136]) }
            let (end, overflow) = start.addingReportingOverflow(size)
            guard !overflow, end <= archive.range.count else {
                throw damaged("is cut off: a member ends behind the end of the archive")
            }
            switch type {
            case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
                guard size <= Self.longestExtension else { throw damaged("has a header of \(ByteCount(size))") }
                let content = try archive.read(size, at: start)
                if type == UInt8(ascii: "x") { try extended.read(content) { damaged("has a damaged header") } }
                if type == UInt8(ascii: "L") { extended.name = text(content[...]) }
            case 0, UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "S"):
                members.append(
                    Member(
                        name: extended.name ?? text(header[0..<100]), range: start..<end,
                        isSparse: type == UInt8(ascii: "S") || extended.isSparse))
                extended = Extension()
            default:
                extended = Extension()
            }
            // `end` is at most the size of a file.
            position = (end + Self.block - 1) / Self.block * Self.block
        }
        throw damaged("has more than \(Self.mostMembers) members")
    }

    /// What pax and GNU tar say of the next member in headers of their own.
    private struct Extension {
        var name: String?
        var size: Int?
        var isSparse = false

        /// Reads the records of a pax header: `LENGTH KEY=VALUE\n`.
        mutating func read(_ content: [UInt8], _ problem: () -> CloudletError) throws(CloudletError) {
            var rest = content[...]
            while let blank = rest.firstIndex(of: UInt8(ascii: " ")) {
                guard let length = Int(String(decoding: rest[..<blank], as: UTF8.self)), length > 0,
                    length <= rest.count, rest.startIndex + length > blank + 1
                else { throw problem() }
                let record = String(decoding: rest[(blank + 1)..<(rest.startIndex + length - 1)], as: UTF8.self)
                rest = rest.dropFirst(length)
                guard let sign = record.firstIndex(of: "=") else { throw problem() }
                let value = record[record.index(after: sign)...]
                switch record[..<sign] {
                case "path": name = String(value)
                case "size":
                    guard let size = Int(value), size >= 0 else { throw problem() }
                    self.size = size
                case let key where key.hasPrefix("GNU.sparse."): isSparse = true
                default: break
                }
            }
        }
    }

    /// Whether a block is a header: the sum of its bytes, its checksum taken as blanks, is the one in it.
    private func isHeader(_ header: [UInt8]) throws(CloudletError) -> Bool {
        let sum = header.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
        return try number(header[148..<156]) == sum
    }

    /// A number in octal digits, or, with the first bit set, in binary.
    private func number(_ field: ArraySlice<UInt8>) throws(CloudletError) -> Int {
        if let first = field.first, first & 0x80 != 0 {
            guard first == 0x80, field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else {
                throw damaged("has a number that can't be")
            }
            let value = field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard let number = Int(exactly: value) else { throw damaged("has a number that can't be") }
            return number
        }
        let digits = text(field).filter { $0 != " " }
        guard digits.isEmpty || digits.allSatisfy({ ("0"..."7").contains($0) }), let value = Int("0" + digits, radix: 8)
        else { throw damaged("has a number that can't be") }
        return value
    }

    private func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }

    private func damaged(_ reason: String) -> CloudletError {
        CloudletError(.badData, "\(archive.name) \(reason)", advice: "get the archive again")
    }
}
