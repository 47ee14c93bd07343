// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay

extension Decompressor {
    /// A decompressor for blobs of this compression.
    init(_ compression: BlobCompression) throws(CloudletError) { try self.init(compression.method) }

    /// A decompressor at the start of a blob. Reuses `former` if it has the same method.
    static func ready(
        for compression: BlobCompression, reusing former: consuming Decompressor?
    ) throws(CloudletError) -> Decompressor {
        guard var decoder = former, decoder.method == compression.method else { return try Decompressor(compression) }
        try decoder.restart()
        return decoder
    }
}

extension BlobCompression {
    fileprivate var method: CompressionMethod { self == .xz ? .xz : .zstd }
}

extension CloudletError {
    /// The error with the blob's name, if it is an error of decompression.
    func located(in blob: OverlayMeta.Blob) -> CloudletError {
        cause is CompressionError ? during("overlay is damaged in \(blob.name.displayable(limit: 80))") : self
    }
}
