// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// How far a job on a base VM or an overlay has come, for a person who waits for it. Fractions go from 0 to 1. What a
/// synthesis reports is a `SynthesisProgress`.
package enum WorkProgress: Sendable, Hashable {
    /// So much of a disk image was decompressed.
    case decompressing(Double)
    /// So much of a disk image was converted to a raw disk.
    case converting(Double)
    /// So much of a raw disk was copied.
    case copying(Double)
    /// cloud-init sets the guest up.
    case cloudInit
    /// The guest is being booted, to be set up by its user.
    case booting
    /// The user's work in the guest is done, and its agent, which may still be starting, is waited for.
    case awaitingAgent
    /// The guest's memory is being saved.
    case savingMemory
    /// The images of a base VM are being hashed.
    case hashing
    /// So much of the images of a VM was compared with those of its base VM.
    case comparing(Double)
    /// So much of an overlay was compressed and written.
    case compressing(Double)
    /// So much of an overlay was written to a package.
    case packaging(Double)
    /// So much of an overlay was read.
    case reading(Double)
    /// So much of an overlay was rebuilt and checked.
    case verifying(Double)
}
