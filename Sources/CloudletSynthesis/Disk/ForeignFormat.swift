// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem
import Glibc
import SystemPackage

/// The format of a file that is not a raw disk image, recognised by its bytes, and how to make a raw image from it.
struct ForeignFormat {
    /// The format's name with its article, such as `a qcow2 file`.
    let name: String
    let advice: String
    /// The format as ``ImageConversion`` knows it; `nil` if it makes no disk of such files.
    let kind: ImageFormat?

    /// Recognises a format by the first (`head`) and last bytes (`tail`) of a file; `nil` if it is unknown.
    init?(_ disk: File, head: [UInt8], tail: [UInt8]) throws(CloudletError) {
        // The mark of a tar archive lies inside the code of a boot sector, which can contain the same bytes.
        let boots = head.dropFirst(510).starts(with: [0x55, 0xAA])
        if Self.isFixedVHD(tail) {
            name = "a VHD file"
            advice = try Way.convert("vpc").advice(for: disk)
            kind = nil
            return
        }
        guard let mark = Self.marks.first(where: { $0.fits(head) }), !(boots && mark.offset == 257) else { return nil }
        name = mark.name
        advice = try mark.way.advice(for: disk)
        kind = mark.way.kind
    }

    /// Bytes needed from the start of a file.
    static let headBytes = 68 << 10
    /// Bytes needed from the end of a file.
    static let tailBytes = 512

    /// A VHD of fixed size is a raw disk with a footer (Virtual Hard Disk Image Format Specification: cookie, version
    /// 1.0, type 2). If it were used unchanged, the VM's disk would be one sector too long, and the VM might overwrite
    /// the footer.
    private static func isFixedVHD(_ tail: [UInt8]) -> Bool {
        tail.starts(with: Array("conectix".utf8)) && tail.dropFirst(12).starts(with: [0, 1, 0, 0])
            && tail.dropFirst(60).starts(with: [0, 0, 0, 2])
    }

    private struct Mark {
        let name: String
        let offset: Int
        let bytes: [UInt8]
        let way: Way

        init(_ name: String, _ bytes: [UInt8], at offset: Int = 0, _ way: Way) {
            (self.name, self.offset, self.bytes, self.way) = (name, offset, bytes, way)
        }

        init(_ name: String, _ text: String, at offset: Int = 0, _ way: Way) {
            self.init(name, Array(text.utf8), at: offset, way)
        }

        func fits(_ head: [UInt8]) -> Bool { head.dropFirst(offset).starts(with: bytes) }
    }

    private static let marks = [
        Mark("a qcow file of version 1", [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 1], .convert("qcow")),
        Mark("a qcow2 file", [0x51, 0x46, 0x49, 0xFB], .convert("qcow2")),
        Mark("a QED file", "QED\0", .convert("qed")),
        Mark("a VMDK file", "KDMV", .convert("vmdk")), Mark("a VMDK file", "COWD", .convert("vmdk")),
        Mark(
            "the descriptor of a VMDK disk, whose data is in other files", "# Disk Descriptor",
            .words("export the disk as one complete file")),
        Mark("a VHDX file", "vhdxfile", .convert("vhdx")), Mark("a VHD file", "conectix", .convert("vpc")),
        Mark("a VDI file", [0x7F, 0x10, 0xDA, 0xBE], at: 64, .convert("vdi")),
        Mark("a Parallels disk", "WithoutFreeSpace", .convert("parallels")),
        Mark("a Parallels disk", "WithouFreSpacExt", .convert("parallels")),
        Mark("a gzip file", [0x1F, 0x8B], .unpack("gzip -dc", .gzip)),
        Mark("an xz file", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], .unpack("xz -dc", .xz)),
        Mark("a bzip2 file", "BZh", .unpack("bzip2 -dc")),
        Mark("a zstd file", [0x28, 0xB5, 0x2F, 0xFD], .unpack("zstd -dc", .zstd)),
        // A skippable frame, which pzstd and other programs write first.
        Mark("a zstd file", [0x50, 0x2A, 0x4D, 0x18], .unpack("zstd -dc", .zstd)),
        Mark("an lzma file", [0x5D, 0x00, 0x00, 0x80, 0x00], .unpack("xz -dc --format=lzma")),
        Mark("a file of compress", [0x1F, 0x9D], .unpack("gzip -dc")),
        Mark("an lz4 file", [0x04, 0x22, 0x4D, 0x18], .unpack("lz4 -dc")),
        Mark("an lzip file", "LZIP", .unpack("lzip -dc")),
        Mark("a zip file", "PK\u{3}\u{4}", .zip),
        Mark("a 7z archive", [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], .sevenZip),
        Mark("a RAR archive", "Rar!\u{1A}\u{7}", .words("unpack it, and give the raw disk image in it")),
        Mark("a tar archive, as an OVA appliance is", "ustar", at: 257, .tar),
        Mark("an Android sparse image", [0x3A, 0xFF, 0x26, 0xED], .words("convert it with simg2img")),
        Mark(
            "a disk encrypted with LUKS", [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE],
            .words("give the raw image of a disk that is not encrypted: a VM has no key for it")),
    ]

    /// How to make a raw image from a file.
    private enum Way {
        case convert(String)
        case unpack(String, FileDecompressor.Method? = nil)
        case zip
        case sevenZip
        case tar
        case words(String)

        /// The format as ``ImageConversion`` knows it.
        var kind: ImageFormat? {
            switch self {
            case .convert(let format): ImageFormat.Disk(rawValue: format).map(ImageFormat.disk)
            case .unpack(_, let method): method.map(ImageFormat.compressed)
            case .tar: .archive
            case .zip, .sevenZip, .words: nil
            }
        }

        func advice(for disk: File) throws(CloudletError) -> String {
            let input = Shell.path(disk.path)
            let output = Shell.path(disk.path.convertedName("raw"))
            let directory = Shell.path(disk.path.convertedName(nil))
            switch self {
            case .convert(let format):
                return "convert it; run: qemu-img convert -f \(format) -O raw \(input) \(output)"
            case .unpack(let tool, _): return "unpack it; run: \(tool) < \(input) > \(output)"
            case .zip:
                // `unzip -p` would write several files one after the other into the same output.
                let files = (try? ZIPArchive(disk).entries())?.filter { !$0.name.hasSuffix("/") }
                if let files, files.count > 1 {
                    return "unpack it, and give the raw disk image in it; run: unzip \(input) -d \(directory)"
                }
                // unzip treats a name with these characters as a pattern.
                let isPattern = disk.path.string.contains { "*?[\\".contains($0) }
                return "unpack it; run: \(isPattern ? "funzip <" : "unzip -p") \(input) > \(output)"
            case .sevenZip:
                let target = Shell.word("-o" + disk.path.convertedName(nil).absolute.string)
                return "unpack it, and give the raw disk image in it; run: 7z x -spd \(target) \(input)"
            case .tar:
                return "unpack it, and convert the disk in it, of an OVA its .vmdk, with 'qemu-img convert -O raw'; "
                    + "run: mkdir \(directory) && tar -xf \(input) -C \(directory)"
            case .words(let words): return words
            }
        }
    }
}

extension FilePath {
    /// A free name for a file or directory made from this file: its stem with this extension, or with `-unpacked`. It
    /// is beside this file, or in the working directory if nothing can be written beside it.
    fileprivate func convertedName(_ extension: String?) -> FilePath {
        let stem = lastComponent?.stem ?? "disk"
        let name = `extension`.map { "\(stem).\($0)" } ?? "\(stem)-unpacked"
        let directory = absolute.removingLastComponent()
        let isWritable = unsafe access(directory.string, W_OK) == 0
        return (isWritable ? directory : FilePath(".").absolute).appending(name).firstFree
    }
}
