// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// What a single run of a VM needs besides its machine: names, files and options. The saved state has none of it.
package struct VMResources: Sendable {
    /// The domain's name; starts with `cloudlet-`.
    package var name: String
    /// The disk's file.
    package var disk: FilePath
    /// The format of that file.
    package var diskFormat: DiskFormat
    /// The shared memory that becomes guest RAM.
    package var memoryPath: FilePath
    /// Whether the emulator waits for device state instead of booting.
    package var waitsForState: Bool
    /// Display, network and discarding.
    package var options: VMOptions
    /// The files of the UEFI firmware; `nil` for a machine with a BIOS.
    package var flash: FlashFiles?
    /// The file to which the guest's first serial port is written, if any.
    package var serialLog: FilePath?

    /// Formats of a disk file.
    package enum DiskFormat: String, Hashable, Sendable {
        case raw
        case qcow2
    }

    /// Makes the resources of one run.
    package init(
        name: String, disk: FilePath, diskFormat: DiskFormat, memoryPath: FilePath, waitsForState: Bool,
        options: VMOptions = VMOptions(), flash: FlashFiles? = nil, serialLog: FilePath? = nil
    ) {
        self.name = name
        self.disk = disk
        self.diskFormat = diskFormat
        self.memoryPath = memoryPath
        self.waitsForState = waitsForState
        self.options = options
        self.flash = flash
        self.serialLog = serialLog
    }
}
