// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletForwarding

extension MachineDescription {
    /// Size in MiB of QEMU's cache of translated code under TCG. QEMU's default is 1 GiB, which a guest can fill by
    /// always running new code. A full cache is emptied, and code is translated again when it is needed. The size is
    /// not part of the machine that the guest sees, nor of its saved state.
    static let translationCacheMiB = 128

    /// The most memory of the host that a VM uses, in bytes.
    package var hostBytes: Int { memoryBytes + emulatorBytes }

    /// The most memory that the VM uses in addition to the guest's, in bytes: QEMU itself (measured: 40 to 60 MiB, and 5
    /// more with UEFI firmware), the process that relays its ports and, under TCG, the translated code and for each
    /// virtual CPU a table of translated addresses, which grows with the pages that the guest uses (measured: 224 MiB).
    package var emulatorBytes: Int {
        let own = (firmware == .bios ? 64 : 80) << 20 + RelayLimits.memoryBytes
        guard accelerator == .tcg else { return own }
        return own + (Self.translationCacheMiB + vcpus * 256) << 20
    }
}
