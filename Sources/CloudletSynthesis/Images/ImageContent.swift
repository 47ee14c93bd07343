// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import SystemPackage

/// An image inside a file: all of the file, or a member of an archive.
struct ImageContent: Sendable {
    /// The file that contains the image.
    let file: File
    /// The image's bytes in the file.
    let range: Range<Int>
    /// The image's name for messages.
    let name: String

    /// A whole file.
    init(_ file: File, named name: String) throws(CloudletError) {
        try self.init(file, 0..<(try file.size()), named: name)
    }

    /// A part of a file.
    init(_ file: File, _ range: Range<Int>, named name: String) throws(CloudletError) {
        self.file = file
        self.range = range
        self.name = name
    }

    /// The bytes at an offset in the image, fewer only at its end.
    func read(_ count: Int, at offset: Int) throws(CloudletError) -> [UInt8] {
        guard offset < range.count else { return [] }
        return try file.read(min(count, range.count - offset), at: range.lowerBound + offset)
    }

    /// The image's format as its first and last bytes show it; `nil` for a raw disk or an unknown format.
    func foreignFormat() throws(CloudletError) -> ForeignFormat? {
        try ForeignFormat(
            file, head: try read(ForeignFormat.headBytes, at: 0),
            tail: try read(ForeignFormat.tailBytes, at: max(0, range.count - ForeignFormat.tailBytes)))
    }

    /// A block device of QEMU (`json:` syntax) with this image in the given format. The path in it needs no quotes,
    /// and `backing` keeps QEMU from opening the backing file that an image names.
    func blockDevice(_ format: ImageFormat.Disk) throws(CloudletError) -> String {
        let whole = "{\"driver\":\"file\",\"filename\":\"\(file.descriptorPath)\"}"
        // QEMU counts in sectors, as tar does: a member is followed by zeros up to the next one.
        let bytes = (range.count + Page.sector - 1) / Page.sector * Page.sector
        let part = "{\"driver\":\"raw\",\"offset\":\(range.lowerBound),\"size\":\(bytes),\"file\":\(whole)}"
        let source = try range == 0..<file.size() ? whole : part
        return "json:{\"driver\":\"\(format.rawValue)\",\"backing\":null,\"file\":\(source)}"
    }
}
