// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletOverlay
package import CloudletSystem
import SystemPackage

/// Refuses files that are not bootable raw disk images, and says which format they have and how to convert them.
package enum DiskImageCheck {
    private static let largest = OverlayMeta.Limits().imageBytes

    /// Checks the first sectors and the size of `disk`.
    /// - Parameters:
    ///   - disk: the disk.
    ///   - name: the disk's name for messages, if the user knows it under another one than the file's.
    /// - Throws: `CloudletError.badData` with the reason and, if there is one, the command that converts the file.
    package static func requireBootableRaw(_ disk: File, named name: String? = nil) throws(CloudletError) {
        let shown = name ?? disk.path.string
        let status = try disk.status()
        guard status.isRegular else {
            throw CloudletError(.badData, "\(shown) is not a regular file", advice: "give a raw disk image file")
        }
        guard status.size <= largest else {
            throw CloudletError(
                .badData,
                "\(shown) has \(ByteCount(status.size)); no overlay can be made of more than \(ByteCount(largest))",
                advice: "use a smaller disk")
        }
        let head = try disk.read(ForeignFormat.headBytes, at: 0)
        let tail = try disk.read(ForeignFormat.tailBytes, at: max(0, status.size - ForeignFormat.tailBytes))
        if let format = try ForeignFormat(disk, head: head, tail: tail) {
            throw CloudletError(
                .badData, "\(shown) is \(format.name), not a raw disk image",
                advice: name == nil ? format.advice : nil)
        }
        guard status.size >= Page.size, head.count >= Page.size else {
            throw CloudletError(.badData, "\(shown) has only \(head.count) bytes: that is not a disk image")
        }
        guard head[510] == 0x55, head[511] == 0xAA else {
            throw CloudletError(
                .badData, "\(shown) has no boot sector\(content(head)): a VM can't boot from it",
                advice: "give the raw image of a whole disk with a boot loader, not of a partition")
        }
        // Checked after the boot sector, so that the advice is given for disks only: it changes the file.
        guard status.size % Page.sector == 0 else {
            throw CloudletError(
                .badData, "\(shown) has \(status.size) bytes, not a multiple of \(Page.sector): it is cut off",
                advice: name != nil
                    ? "get the image again"
                    : "get the image again; if it is whole, fill the last sector; run: truncate -s %512 "
                        + Shell.path(disk.path))
        }
        // The boot sector has the entry of a GPT, but the GPT is where disks with sectors of 4096 bytes have it.
        if (0..<4).contains(where: { head[446 + $0 * 16 + 4] == 0xEE }), !head.dropFirst(512).starts(with: gptMark),
            head.dropFirst(4096).starts(with: gptMark)
        {
            throw CloudletError(
                .badData, "\(shown) is divided for sectors of 4096 bytes; the disks of VMs have sectors of 512",
                advice: "get or make the image for sectors of 512 bytes")
        }
        try requireWholePartitions(shown, head, size: status.size)
    }

    /// Throws when a partition ends behind the end of the file, because then the image was cut off.
    private static func requireWholePartitions(_ disk: String, _ head: [UInt8], size: Int) throws(CloudletError) {
        func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
            bytes[start..<start + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        // The numbers come from an untrusted file and can have any value.
        func requireWhole(_ what: String, endSector end: UInt64) throws(CloudletError) {
            let (bytes, overflow) = end.multipliedReportingOverflow(by: UInt64(Page.sector))
            guard overflow || bytes > UInt64(size) else { return }
            let place = overflow ? "beyond any disk" : "at byte \(bytes)"
            throw CloudletError(
                .badData, "\(disk) is cut off: \(what) ends \(place), the file at byte \(size)",
                advice: "get the image again")
        }
        for entry in 0..<4 {
            let start = 446 + entry * 16
            let type = head[start + 4]
            // 0xEE stands for a GPT, whose header contains its end.
            if type == 0 || type == 0xEE { continue }
            try requireWhole(
                "partition \(entry + 1)", endSector: number(head, start + 8, 4) + number(head, start + 12, 4))
        }
        if Array(head[512..<520]) == Array("EFI PART".utf8) {
            let (end, overflow) = number(head, 512 + 48, 8).addingReportingOverflow(1)
            try requireWhole("its partition table", endSector: overflow ? .max : end)
        }
    }

    private static let gptMark = Array("EFI PART".utf8)

    /// The known content of a file without a boot sector, in brackets; empty if unknown.
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
