// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay

/// Checks the header of a disk image before qemu-img opens it: an image can name other files, and qemu-img would read
/// them. Also refuses sizes that no disk here can have.
///
/// Sources: QEMU's docs/interop/qcow2.txt; VMware's Virtual Disk Format 5.0; the header structures in QEMU's
/// block/vmdk.c and block/vdi.c. The headers of VHDX have no such names (QEMU refuses VHDX files with a parent).
struct DiskImageHeader {
    private let image: ImageContent
    private let bytes: [UInt8]

    /// Checks the header.
    /// - Throws: `CloudletError.badData` with the reason.
    static func check(_ image: ImageContent, _ format: ImageFormat.Disk) throws(CloudletError) {
        let header = DiskImageHeader(image: image, bytes: try image.read(headerBytes, at: 0))
        switch format {
        case .qcow2: try header.checkQCOW2()
        case .vmdk: try header.checkVMDK()
        case .vdi: try header.checkVDI()
        case .vhdx: break
        }
    }

    /// A VMDK's descriptor, where QEMU looks for the name of the parent, ends here.
    private static let headerBytes = descriptorStart + 20 * 512
    private static let descriptorStart = 0x200

    /// The largest disk of a VM.
    static let largestDisk = OverlayMeta.Limits().imageBytes

    private func checkQCOW2() throws(CloudletError) {
        let version = try bigEndian(4, 4)
        guard version == 2 || version == 3 else {
            throw problem("has version \(version) of qcow2, which is not known")
        }
        let (name, length) = (try bigEndian(8, 8), try bigEndian(16, 4))
        if name != 0 || length != 0 {
            let text = name < UInt64(image.range.count) ? try image.read(Int(min(length, 1023)), at: Int(name)) : []
            throw backingFile(String(decoding: text, as: UTF8.self))
        }
        if try bigEndian(32, 4) != 0 { throw problem("is encrypted", advice: "make an image that is not encrypted") }
        // Bit 2 of the incompatible features: the data is in another file, which an extension of the header names.
        if version == 3, try bigEndian(72, 8) & 4 != 0 {
            throw problem(
                "keeps its data in another file, and no other files of this host are read for an image",
                advice: Self.oneFile)
        }
        // The header of version 3 has 104 bytes at least.
        if version == 3 { _ = try field(100, 4) }
        try checkSize(try bigEndian(24, 8), unit: 1)
    }

    private func checkVMDK() throws(CloudletError) {
        guard bytes.starts(with: Array("KDMV".utf8)) else { throw otherFiles }
        // QEMU takes such a header for the beginning of a descriptor that names the files with the data.
        let sectors = try littleEndian(12, 8)
        if sectors == 0 { throw otherFiles }
        try checkSize(sectors, unit: Page.sector)
        guard bytes.count > Self.descriptorStart else { return }
        let text = String(decoding: bytes[Self.descriptorStart...].prefix { $0 != 0 }, as: UTF8.self)
        var extents = 0
        var hasParent = false
        var parent = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "=" })
            guard let key = words.first?.lowercased() else { continue }
            if key == "parentfilenamehint" {
                hasParent = true
                parent = words.dropFirst().joined(separator: " ").filter { $0 != "\"" }
            }
            if key == "parentcid", let id = words.dropFirst().first, id.lowercased() != "ffffffff" { hasParent = true }
            if ["rw", "rdonly", "noaccess"].contains(key) { extents += 1 }
        }
        if hasParent { throw backingFile(parent) }
        if extents > 1 { throw otherFiles }
    }

    private func checkVDI() throws(CloudletError) {
        // Types: 1 dynamic, 2 static, 3 undo, 4 differencing.
        let type = try littleEndian(76, 4)
        if type > 2 { throw backingFile("") }
        try checkSize(try littleEndian(368, 8), unit: 1)
        // Blocks that the file lacks would be read as zeros. The numbers have 32 bits each.
        let blocks = try littleEndian(388, 4) * (try littleEndian(376, 4))
        let (end, overflow) = blocks.addingReportingOverflow(try littleEndian(344, 4))
        if overflow || end > UInt64(image.range.count) { throw cutOff }
    }

    private func checkSize(_ count: UInt64, unit: Int) throws(CloudletError) {
        let (size, overflow) = count.multipliedReportingOverflow(by: UInt64(unit))
        if !overflow, size <= UInt64(Self.largestDisk) { return }
        let shown = overflow ? "more than 2^64 bytes" : "\(ByteCount(Int(clamping: size)))"
        throw problem(
            "says that its disk has \(shown); a disk here has \(ByteCount(Self.largestDisk)) at most",
            advice: "get the image again, or use a smaller disk")
    }

    private func backingFile(_ name: String) -> CloudletError {
        let shown = name.isEmpty ? "another file" : "the file '\(name.displayable(limit: 100))'"
        return problem(
            "contains only the differences from \(shown), and no other files of this host are read for an image",
            advice: Self.oneFile)
    }

    private var otherFiles: CloudletError {
        problem(
            "describes a disk whose data is in other files, and no other files of this host are read for an image",
            advice: Self.oneFile)
    }

    private var cutOff: CloudletError { problem("is cut off", advice: "get the image again") }

    private static let oneFile = "get or export the disk as one complete file"

    private func problem(_ reason: String, advice: String? = nil) -> CloudletError {
        CloudletError(.badData, "\(image.name) \(reason)", advice: advice)
    }

    private func number(_ field: some Sequence<UInt8>) -> UInt64 { field.reduce(0) { $0 << 8 | UInt64($1) } }

    private func field(_ offset: Int, _ count: Int) throws(CloudletError) -> ArraySlice<UInt8> {
        guard offset + count <= bytes.count else { throw cutOff }
        return bytes[offset..<offset + count]
    }

    private func bigEndian(_ offset: Int, _ count: Int) throws(CloudletError) -> UInt64 {
        number(try field(offset, count))
    }

    private func littleEndian(_ offset: Int, _ count: Int) throws(CloudletError) -> UInt64 {
        number(try field(offset, count).reversed())
    }
}
