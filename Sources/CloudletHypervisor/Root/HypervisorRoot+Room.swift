// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import SystemPackage

extension HypervisorRoot {
    /// Size in bytes of a file that reserves disk space for the next driver. When it starts, it rewrites the status of
    /// each running VM, and ends the VMs whose status it can't write.
    private static let keptBytes = 1 << 20

    /// A disk with fewer free bytes counts as full.
    static let fullBelow = 16 << 20

    private var kept: FilePath { directory.appending("room") }

    private var isFull: Bool { ((try? FileSystem.freeSpace(at: directory)) ?? 0) < Self.fullBelow }

    /// Reserves disk space for the next driver, unless the disk is full.
    func keepRoom() {
        guard !isFull, let file = try? File(kept, .create(permissions: 0o600)) else { return }
        let bytes = [UInt8](repeating: 0x5A, count: Self.keptBytes)
        if (try? file.write(bytes, at: 0)) == nil { try? FileSystem.remove(kept) }
    }

    /// Frees the reserved space for the driver that is about to be opened, if the disk is full.
    func giveRoom() {
        if isFull { try? FileSystem.remove(kept) }
    }
}
