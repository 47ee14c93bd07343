package import SystemPackage

/// What one run of a VM needs beside its machine: names, files and options. None of it is part of the saved state.
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
    /// Where the guest's first serial port is written to, if anywhere.
    package var serialLog: FilePath?

    /// Formats of a disk file.
    package enum DiskFormat: String, Hashable, Sendable {
        case raw
        case qcow2
    }

    /// Names the resources.
    package init(
        name: String, disk: FilePath, diskFormat: DiskFormat, memoryPath: FilePath, waitsForState: Bool,
        options: VMOptions = VMOptions(), serialLog: FilePath? = nil
    ) {
        self.name = name
        self.disk = disk
        self.diskFormat = diskFormat
        self.memoryPath = memoryPath
        self.waitsForState = waitsForState
        self.options = options
        self.serialLog = serialLog
    }
}
