// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor
package import CloudletSystem

/// Examines, from the partition tables of a disk, which firmware boots it, and finds reasons why it may not boot. Some
/// boot loaders work without what is checked here, so a finding is reported but the disk is not refused.
package struct BootOutlook: Sendable {
    /// Whether the disk can only be booted by UEFI: it has an EFI system partition, and no boot loader for a BIOS.
    package let needsUEFI: Bool
    private let hasEFIPartition: Bool
    private let problem: String?

    /// Examines a disk.
    package init(of disk: File) throws(CloudletError) {
        let head = try disk.read(ForeignFormat.headBytes, at: 0)
        guard head.count >= 2 * Page.sector else {
            (needsUEFI, hasEFIPartition, problem) = (false, false, nil)
            return
        }
        let hasCode = head[0..<440].contains { $0 != 0 }
        let hasGRUB = head[0..<440].contains("GRUB")
        let entries = (0..<4).map { Array(head[446 + $0 * 16..<462 + $0 * 16]) }.filter { $0[4] != 0 }
        let noLoader = "the disk has no boot loader, it seems to hold only data"
        if let guids = Self.partitionTypes(head) {
            hasEFIPartition = guids.contains(Self.efiSystem)
            needsUEFI = hasEFIPartition && (!hasCode || !guids.contains(Self.biosBoot) && !hasGRUB)
            problem = hasCode || hasEFIPartition ? nil : noLoader
            return
        }
        if head.isISO9660 {
            (needsUEFI, hasEFIPartition) = (false, false)
            problem = "the disk is an ISO image, for installation or live systems, which store nothing on it"
            return
        }
        let isMarked = entries.contains { $0[0] == 0x80 }
        hasEFIPartition = entries.contains { $0[4] == 0xEF }
        needsUEFI = hasEFIPartition && !isMarked && !hasGRUB
        if needsUEFI {
            problem = nil
        } else if !hasCode {
            problem = noLoader
        } else if !entries.isEmpty, !isMarked, !hasGRUB {
            problem = "no partition of the disk is marked as the one to boot from"
        } else {
            problem = nil
        }
    }

    /// Why this firmware may not boot the disk, as a sentence about "the disk"; `nil` when nothing was found.
    package func doubt(with firmware: Firmware) -> String? {
        switch firmware {
        case .bios where needsUEFI: "the disk boots by UEFI only, and the VM has a BIOS; use --firmware uefi"
        case .bios: problem.map { "\($0); a BIOS waits for ever where it finds no boot loader" }
        case .uefi where !hasEFIPartition: "the disk has no EFI system partition, from which UEFI boots"
        case .uefi: nil
        }
    }

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
