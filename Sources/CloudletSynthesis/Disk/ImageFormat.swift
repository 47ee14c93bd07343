// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression

/// Formats of files from which ``ImageConversion`` makes a raw disk.
enum ImageFormat: Sendable, Hashable {
    /// A disk image that qemu-img reads.
    case disk(Disk)
    /// A compressed file.
    case compressed(FileDecompressor.Method)
    /// A tar archive, as an OVA appliance is.
    case archive

    /// Formats of disk images; the raw value is QEMU's name of the format.
    enum Disk: String, Sendable {
        case qcow2, vdi, vhdx, vmdk
    }
}
