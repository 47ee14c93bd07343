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
        let head = try disk.read(ForeignFormat.headBytes, at: 0)
        if let format = try ForeignFormat(disk, head: head) {
            throw CloudletError(
                .badData, "\(disk.path) is \(format.name), not a raw disk image", advice: format.advice)
        }
        guard status.size >= Page.size else {
            throw CloudletError(.badData, "\(disk.path) has only \(status.size) bytes: that is no disk image")
        }
        guard status.size % Page.sector == 0 else {
            throw CloudletError(
                .badData, "\(disk.path) has \(status.size) bytes, not a multiple of \(Page.sector): it is cut off",
                advice: "get the image again; if it is whole, fill the last sector; run: truncate -s %512 "
                    + Shell.path(disk.path))
        }
        guard head[510] == 0x55, head[511] == 0xAA else {
            throw CloudletError(
                .badData, "\(disk.path) has no boot sector\(content(head)): a VM can't boot from it",
                advice: "give the raw image of a whole disk with a boot loader, not of a partition")
        }
        // The entry of a GPT is there, and the GPT where it is on disks with sectors of 4096 bytes.
        if (0..<4).contains(where: { head[446 + $0 * 16 + 4] == 0xEE }), !head.dropFirst(512).starts(with: gptMark),
            head.dropFirst(4096).starts(with: gptMark)
        {
            throw CloudletError(
                .badData, "\(disk.path) is divided for sectors of 4096 bytes; the disks of VMs have sectors of 512",
                advice: "get or make the image for sectors of 512 bytes")
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

    private static let gptMark = Array("EFI PART".utf8)

    /// What a file without a boot sector holds, in brackets, when it can be told.
    private static func content(_ head: [UInt8]) -> String {
        func has(_ mark: [UInt8], at offset: Int) -> Bool { head.dropFirst(offset).starts(with: mark) }
        if head.isISO9660 { return " (it is an ISO image for optical media)" }
        if has([0x53, 0xEF], at: 1080) { return " (it is an ext file system)" }
        if has(Array("XFSB".utf8), at: 0) { return " (it is an XFS file system)" }
        if has(Array("_BHRfS_M".utf8), at: 65600) { return " (it is a Btrfs file system)" }
        if has(Array("hsqs".utf8), at: 0) { return " (it is a SquashFS file system)" }
        if has(Array("LABELONE".utf8), at: 512) { return " (it is a volume of LVM)" }
        return ""
    }
}
