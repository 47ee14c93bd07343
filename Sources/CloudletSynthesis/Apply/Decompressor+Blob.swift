import CloudletCompression
import CloudletCore
import CloudletOverlay

extension Decompressor {
    /// A decompressor for blobs of this compression.
    init(_ compression: BlobCompression) throws(CloudletError) {
        try self.init(compression == .xz ? CompressionMethod.xz : .zstd)
    }
}

extension CloudletError {
    /// The error with the blob's name, when it is one of decompression.
    func located(in blob: OverlayMeta.Blob) -> CloudletError {
        cause is CompressionError ? during("overlay is damaged in \(blob.name.displayable(limit: 80))") : self
    }
}
