public import CloudletCore
public import CloudletSystem
import SystemPackage

/// Refuses what is no bootable raw disk image, and says what it is and how to convert it.
public enum DiskImageCheck {
    /// Checks the first sectors and the size of `disk`.
    /// - Throws: `CloudletError.badData` with the reason and, where there is one, the command that converts it.
    public static func requireBootableRaw(_ disk: File) throws(CloudletError) {
        let status = try disk.status()
        guard status.isRegular else {
            throw CloudletError(.badData, "\(disk.path) is not a regular file", advice: "give a raw disk image file")
        }
        let head = try disk.read(Page.size, at: 0)
        if let format = foreignFormat(head) {
            throw CloudletError(
                .badData, "\(disk.path) is a \(format.name) file, not a raw disk image",
                advice: format.advice(disk.path.string))
        }
        guard status.size >= Page.size else {
            throw CloudletError(.badData, "\(disk.path) has only \(status.size) bytes: that is no disk image")
        }
        guard status.size % Page.sector == 0 else {
            throw CloudletError(
                .badData, "\(disk.path) has \(status.size) bytes, not a multiple of \(Page.sector): it is cut off",
                advice: "get the image again; if it is whole, 'truncate -s %512 \(disk.path)' fills the last sector")
        }
        guard head[510] == 0x55, head[511] == 0xAA else {
            throw CloudletError(
                .badData, "\(disk.path) has no boot sector: a VM can't boot from it",
                advice: "give the raw image of a whole disk with a boot loader, not of a partition")
        }
        try requireWholePartitions(disk, head, size: status.size)
    }

    /// A partition that ends behind the file's end means that the image was cut off.
    private static func requireWholePartitions(_ disk: File, _ head: [UInt8], size: Int) throws(CloudletError) {
        func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int {
            bytes[start..<start + count].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        func refuse(_ what: String, _ end: Int) -> CloudletError {
            CloudletError(
                .badData,
                "\(disk.path) is cut off: \(what) ends at byte \(end), the file at byte \(size)",
                advice: "get the image again")
        }
        for entry in 0..<4 {
            let start = 446 + entry * 16
            let type = head[start + 4]
            let end = (number(head, start + 8, 4) + number(head, start + 12, 4)) * Page.sector
            // 0xEE stands for a GPT, whose own header tells its end.
            if type != 0, type != 0xEE, end > size { throw refuse("partition \(entry + 1)", end) }
        }
        if Array(head[512..<520]) == Array("EFI PART".utf8) {
            let last = number(head, 512 + 48, 8)
            guard last < 1 << 50, (last + 1) * Page.sector <= size else {
                throw refuse("its partition table", last < 1 << 50 ? (last + 1) * Page.sector : Int.max)
            }
        }
    }

    private struct Format {
        let name: String
        let advice: (String) -> String
    }

    private static func foreignFormat(_ head: [UInt8]) -> Format? {
        func begins(_ bytes: [UInt8]) -> Bool { head.starts(with: bytes) }
        func convert(_ name: String, _ format: String) -> Format {
            Format(name: name) { path in
                "convert it with 'qemu-img convert -f \(format) -O raw \(path) \(rawName(path))'"
            }
        }
        func unpack(_ name: String, _ tool: String) -> Format {
            Format(name: name) { path in "unpack it with '\(tool) \(path) > \(rawName(path))'" }
        }
        if begins([0x51, 0x46, 0x49, 0xFB]) { return convert("qcow2", "qcow2") }
        if begins(Array("KDMV".utf8)) || begins(Array("# Disk Descriptor".utf8)) { return convert("VMDK", "vmdk") }
        if begins(Array("vhdxfile".utf8)) { return convert("VHDX", "vhdx") }
        if begins(Array("conectix".utf8)) { return convert("VHD", "vpc") }
        if head.count > 68, Array(head[64..<68]) == [0x7F, 0x10, 0xDA, 0xBE] { return convert("VDI", "vdi") }
        if begins([0x1F, 0x8B]) { return unpack("gzip", "gzip -dc") }
        if begins([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) { return unpack("xz", "xz -dc") }
        if begins(Array("BZh".utf8)) { return unpack("bzip2", "bzip2 -dc") }
        if begins([0x28, 0xB5, 0x2F, 0xFD]) { return unpack("zstd", "zstd -dc") }
        if begins(Array("PK".utf8) + [3, 4]) { return unpack("zip", "unzip -p") }
        return nil
    }

    /// The image's name with `.raw` for its extension.
    private static func rawName(_ path: String) -> String {
        let name = path.split(separator: "/").last ?? "disk"
        let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? name
        return "\(stem.isEmpty ? "disk" : stem).raw"
    }
}
