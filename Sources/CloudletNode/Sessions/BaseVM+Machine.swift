// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletHypervisor
import CloudletStore
import CloudletSystem

extension BaseVM {
    /// The virtual hardware of every VM on this base, as far as it can be known: from its snapshot, or, if that can't be
    /// read, from its entry in the registry.
    var machine: MachineDescription {
        let snapshot = (try? File(files.memory, .read)).flatMap { try? SnapshotFile($0) }
        let accelerator = MachineDescription.Accelerator(rawValue: accelerator) ?? .tcg
        return snapshot?.description.machine
            ?? MachineDescription(memoryMiB: memoryBytes >> 20, accelerator: accelerator)
    }

    /// The memory of the host that a VM of this base needs, in bytes.
    var hostBytes: Int { machine.hostBytes }
}
