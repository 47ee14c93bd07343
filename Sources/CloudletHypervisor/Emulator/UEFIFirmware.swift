// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// UEFI firmware installed on this host. QEMU's firmware packages describe what they contain in JSON files (QEMU's
/// docs/interop/firmware.json); the first one, by name, that fits is used.
package struct UEFIFirmware: Sendable {
    /// The code.
    package let code: FilePath
    /// The variables of a machine that has never run.
    package let variables: FilePath
    /// The sizes of both.
    package let sizes: Firmware.FlashSizes

    /// Directories of the descriptions; files in an earlier one hide those of the same name in a later one.
    private static let directories: [FilePath] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"]
    private static let longestDescription = 64 << 10

    /// Finds firmware without Secure Boot for a machine type.
    /// - Parameters:
    ///   - machineType: a versioned machine type.
    ///   - wanted: the sizes that it must have; `nil` for any.
    ///   - directories: where to look.
    /// - Returns: the firmware, whose files exist.
    /// - Throws: `CloudletError.unavailable` when there is none.
    package static func find(
        for machineType: String, sizes wanted: Firmware.FlashSizes? = nil, in directories: [FilePath] = directories
    ) throws(CloudletError) -> UEFIFirmware {
        var seen: [String: FilePath] = [:]
        for directory in directories {
            for name in try Directory.names(in: directory) where name.hasSuffix(".json") && seen[name] == nil {
                seen[name] = directory.appending(name)
            }
        }
        var others = false
        for (_, path) in seen.sorted(by: { $0.key < $1.key }) {
            guard let description = try? description(path), description.fits(machineType),
                let found = try? UEFIFirmware(description)
            else { continue }
            if found.sizes == wanted ?? found.sizes { return found }
            others = true
        }
        if others, let wanted {
            throw CloudletError(
                .unavailable,
                "this host has no UEFI firmware with \(wanted.code) bytes of code and \(wanted.variables) bytes of "
                    + "variables, as the VM's was",
                advice: "install the version of the package ovmf with which the base VM was made")
        }
        throw CloudletError(
            .unavailable, "this host has no UEFI firmware without Secure Boot for \(machineType)",
            advice: "install the package ovmf")
    }

    private init(_ description: Description) throws(CloudletError) {
        guard let code = description.mapping.executable?.filename,
            let variables = description.mapping.template?.filename
        else { throw CloudletError(.badData, "a description of firmware names no files") }
        (self.code, self.variables) = (FilePath(code), FilePath(variables))
        sizes = Firmware.FlashSizes(
            code: try File(self.code, .read).size(), variables: try File(self.variables, .read).size())
        try Firmware.uefi(sizes).validate()
    }

    private static func description(_ path: FilePath) throws(CloudletError) -> Description {
        let bytes = try File(path, .read).read(longestDescription, at: 0)
        do { return try JSONDecoder().decode(Description.self, from: Data(bytes)) } catch {
            throw CloudletError(.badData, "\(path) does not describe firmware", cause: error)
        }
    }

    /// What is used of a description.
    private struct Description: Decodable {
        struct Image: Decodable {
            let filename: String
            let format: String
        }

        struct Mapping: Decodable {
            let device: String
            let executable: Image?
            let template: Image?

            enum CodingKeys: String, CodingKey {
                case device, executable
                case template = "nvram-template"
            }
        }

        struct Target: Decodable {
            let architecture: String
            let machines: [String]
        }

        let interfaces: [String]
        let mapping: Mapping
        let targets: [Target]
        let features: [String]

        enum CodingKeys: String, CodingKey {
            case interfaces = "interface-types"
            case mapping, targets, features
        }

        func fits(_ machineType: String) -> Bool {
            let unwanted: Set = ["secure-boot", "requires-smm", "enrolled-keys"]
            return interfaces.contains("uefi") && mapping.device == "flash" && unwanted.isDisjoint(with: features)
                && mapping.executable?.format == "raw" && mapping.template?.format == "raw"
                && targets.contains { target in
                    target.architecture == "x86_64"
                        && target.machines.contains { pattern in
                            pattern == machineType
                                || pattern.hasSuffix("*") && machineType.hasPrefix(pattern.dropLast())
                        }
                }
        }
    }
}

extension Firmware {
    /// Makes the files of the memory chips for one VM.
    /// - Parameters:
    ///   - directory: the VM's scratch directory.
    ///   - machineType: the VM's machine type.
    ///   - boots: whether the VM boots. Otherwise its state has the content of both chips, so that the host needs no
    ///     firmware, and QEMU only needs files of the right sizes.
    /// - Returns: `nil` for a BIOS.
    /// - Throws: `CloudletError.unavailable` when the VM boots and the host has no such firmware.
    package func makeFlash(
        in directory: FilePath, for machineType: String, boots: Bool
    ) throws(CloudletError) -> FlashFiles? {
        guard case .uefi(let sizes) = self else { return nil }
        let files = FlashFiles(
            code: directory.appending("firmware-code.fd"), variables: directory.appending("firmware-variables.fd"))
        let installed = boots ? try UEFIFirmware.find(for: machineType, sizes: sizes) : nil
        for (path, size, source) in [
            (files.code, sizes.code, installed?.code), (files.variables, sizes.variables, installed?.variables),
        ] {
            let file = try File(path, .create(permissions: 0o600))
            try file.resize(to: size)
            if let source { try file.write(try File(source, .read).read(size, at: 0), at: 0) }
        }
        return files
    }
}
