// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCompression
package import CloudletCore

/// The options for writing an overlay.
package struct OverlayOptions: Sendable {
    /// The first part of the file names.
    package var name: String
    /// Bytes of delta items in a blob before compression. It determines when a receiver can begin to decode.
    package var blobBytes = 4 << 20
    /// Compression of the blobs.
    package var compression = Compressor.Options.standard
    /// Bytes of memory for compressors. It limits how many blobs are compressed at once (at most one per core).
    package var compressionMemory = 192 << 20
    /// The forwards stored with the overlay.
    package var forwards: [PortForward] = []
    /// A guest port that answers when the application is ready.
    package var readyPort: UInt16?
    /// Whether only the disk is saved. The guest is then shut down before saving, and boots at synthesis.
    package var diskOnly = false

    /// Makes the default options of an overlay with this name.
    package init(name: String) { self.name = name }
}
