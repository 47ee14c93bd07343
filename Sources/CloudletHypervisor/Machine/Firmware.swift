// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import SystemPackage

/// What boots a guest. It is part of the machine: UEFI firmware lies in two memory chips, whose sizes must be the same
/// wherever the VM is resumed. Their content, with the guest's variables, is part of the device state.
package enum Firmware: Hashable, Sendable {
    /// The BIOS that comes with QEMU.
    case bios
    /// UEFI firmware (OVMF) without Secure Boot, in chips of these sizes.
    case uefi(FlashSizes)

    /// Sizes of the memory chips of UEFI firmware, in bytes.
    package struct FlashSizes: Hashable, Sendable {
        /// Size of the chip with the code, which the guest can't change.
        package var code: Int
        /// Size of the chip with the variables.
        package var variables: Int

        /// Combines both.
        package init(code: Int, variables: Int) {
            self.code = code
            self.variables = variables
        }
    }

    /// What QEMU lets both chips have together.
    private static let largestFlash = 8 << 20

    func validate() throws(CloudletError) {
        guard case .uefi(let sizes) = self else { return }
        for size in [sizes.code, sizes.variables] {
            guard (1...Self.largestFlash).contains(size), size % Page.size == 0 else { throw Self.badSizes }
        }
        guard sizes.code + sizes.variables <= Self.largestFlash else { throw Self.badSizes }
    }

    private static let badSizes = CloudletError(
        .usage, "UEFI firmware of these sizes can't be used: both together have at most \(ByteCount(largestFlash))")

    /// The attributes in a VM's description. There are none for a BIOS, as in descriptions of earlier versions.
    var attributes: [String: String] {
        guard case .uefi(let sizes) = self else { return [:] }
        return [
            "firmware": "uefi", "flash-code-bytes": String(sizes.code),
            "flash-variables-bytes": String(sizes.variables),
        ]
    }

    /// Reads the attributes in a VM's description.
    init(attributes: [String: String]) throws(CloudletError) {
        switch attributes["firmware"] {
        case nil, "bios": self = .bios
        case "uefi":
            guard let code = attributes["flash-code-bytes"].flatMap({ Int($0) }),
                let variables = attributes["flash-variables-bytes"].flatMap({ Int($0) })
            else { throw CloudletError(.badData, "the snapshot's description has no valid sizes of its firmware") }
            self = .uefi(FlashSizes(code: code, variables: variables))
        case let other?:
            throw CloudletError(
                .badData,
                "the VM needs the firmware '\(other.displayable(limit: 40))', which this version doesn't know",
                advice: "use a newer cloudlet")
        }
    }
}

/// The files of the memory chips of UEFI firmware, for one VM.
package struct FlashFiles: Hashable, Sendable {
    /// The code.
    package var code: FilePath
    /// The variables, to which the guest writes.
    package var variables: FilePath

    /// Combines both.
    package init(code: FilePath, variables: FilePath) {
        self.code = code
        self.variables = variables
    }
}
