// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Checks whether the disk to which VMs write has space for more of them.
enum DiskCheck {
    /// Throws an error if there is no space for the smallest overlay in addition to the host's reserve. `nil` means
    /// that nothing is known about the disk.
    static func requireRoom(_ space: FileSystemSpace?, reserve: Int) throws(CloudletError) {
        guard let space, space.free - reserve < NodeBackend.scratchBytes else { return }
        throw CloudletError(
            .busy,
            "the disk of VMs has \(ByteCount(space.free)) of free space, \(ByteCount(reserve)) are reserved for the host "
                + "(admission.disk-reserve)", advice: "free space on the disk")
    }
}
