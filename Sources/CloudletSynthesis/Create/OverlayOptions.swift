package import CloudletCompression
package import CloudletCore

/// How an overlay is written.
package struct OverlayOptions: Sendable {
    /// The file names' first part.
    package var name: String
    /// Bytes of delta items a blob holds before compression; sets when a receiver can begin to decode.
    package var blobBytes = 4 << 20
    /// Compression of the blobs.
    package var compression = Compressor.Options.standard
    /// Bytes of memory for compressors: as many blobs are compressed at once as it bears, on at most all cores.
    package var compressionMemory = 192 << 20
    /// The forwards stored with the overlay.
    package var forwards: [PortForward] = []
    /// A guest port that answers when the application is ready.
    package var readyPort: UInt16?
    /// Whether only the disk is saved: the guest is shut down now and boots at synthesis.
    package var diskOnly = false

    /// Names an overlay.
    package init(name: String) { self.name = name }
}
