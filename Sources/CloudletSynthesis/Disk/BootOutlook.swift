package import CloudletCore
package import CloudletSystem

/// Finds reasons why the BIOS of a VM may not boot a disk, from the disk's partition tables. Some boot loaders work
/// without what is checked here, so a finding is reported but the disk is not refused.
package enum BootOutlook {
    /// The reason, as a sentence about "the disk"; `nil` when nothing was found.
    package static func doubt(about disk: File) throws(CloudletError) -> String? {
        let head = try disk.read(ForeignFormat.headBytes, at: 0)
        guard head.count >= 2 * Page.sector else { return nil }
        let hasCode = head[0..<440].contains { $0 != 0 }
        let entries = (0..<4).map { Array(head[446 + $0 * 16..<462 + $0 * 16]) }.filter { $0[4] != 0 }
        if let guids = partitionTypes(head) {
            let isForUEFI = guids.contains(efiSystem)
            if !hasCode, isForUEFI { return "the disk boots by UEFI only; \(remedy)" }
            if !hasCode { return "the disk has no boot loader, it seems to hold only data; \(remedy)" }
            if isForUEFI, !guids.contains(biosBoot), !head[0..<440].contains("GRUB") {
                return "the disk may boot by UEFI only; \(remedy)"
            }
            return nil
        }
        if head.isISO9660 {
            return "the disk is an ISO image, for installation or live systems, which store nothing on it"
        }
        if entries.contains(where: { $0[4] == 0xEF }), !entries.contains(where: { $0[0] == 0x80 }) {
            return "the disk may boot by UEFI only; \(remedy)"
        }
        if !hasCode { return "the disk has no boot loader, it seems to hold only data; \(remedy)" }
        if !entries.isEmpty, !entries.contains(where: { $0[0] == 0x80 }), !head[0..<440].contains("GRUB") {
            return "no partition of the disk is marked as the one to boot from; \(remedy)"
        }
        return nil
    }

    private static let remedy = "VMs here have a BIOS, and wait for ever where it finds no boot loader"

    /// Types of GPT partitions in their stored form (UEFI specification, 5.3.3): EFI system partition, BIOS boot
    /// partition.
    private static let efiSystem: [UInt8] = [
        0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
    ]
    private static let biosBoot = Array("Hah!IdontNeedEFI".utf8)

    /// The partition types of a GPT, as far as its table is in `head`; `nil` without a GPT.
    private static func partitionTypes(_ head: [UInt8]) -> [[UInt8]]? {
        let header = head[Page.sector..<2 * Page.sector]
        guard header.starts(with: Array("EFI PART".utf8)) else { return nil }
        // Uses the table position and entry size that every partitioning tool writes. Other values in the header are
        // ignored.
        let table = head.dropFirst(2 * Page.sector).prefix(128 * 128)
        return stride(from: table.startIndex, to: table.endIndex - 127, by: 128)
            .map { Array(table[$0..<$0 + 16]) }.filter { $0.contains { $0 != 0 } }
    }
}

extension [UInt8] {
    /// Whether the first bytes of a file are those of an ISO 9660 image (ECMA-119, 8.1).
    var isISO9660: Bool { dropFirst(0x8001).starts(with: Array("CD001".utf8)) }
}

extension ArraySlice<UInt8> {
    fileprivate func contains(_ text: String) -> Bool { firstRange(of: Array(text.utf8)) != nil }
}
