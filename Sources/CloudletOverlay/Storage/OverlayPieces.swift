// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem

/// The blobs of a stored overlay in the order of the meta, as a stream like that of a received overlay.
package struct OverlayPieces: AsyncSequence, Sendable {
    private let overlay: OverlaySource

    /// Reads from this overlay.
    package init(_ overlay: OverlaySource) { self.overlay = overlay }

    /// Starts at the first blob.
    package func makeAsyncIterator() -> Iterator { Iterator(overlay: overlay) }

    /// Reads the blobs piece by piece.
    package struct Iterator: AsyncIteratorProtocol {
        private let overlay: OverlaySource
        private var index = -1
        private var blob: OverlaySource.BlobFile?
        private var position = 0

        fileprivate init(overlay: OverlaySource) { self.overlay = overlay }

        /// The next piece, or `nil` after the last blob.
        /// - Throws: `CloudletError` when a blob can't be read.
        package mutating func next() async throws(CloudletError) -> BlobPiece? {
            guard let blob else {
                index += 1
                guard index < overlay.meta.blobs.count else { return nil }
                self.blob = try overlay.open(index)
                position = 0
                return .begin(index)
            }
            let end = Swift.min(position + Self.pieceBytes, overlay.meta.blobs[index].size)
            guard position < end else {
                self.blob = nil
                return .end
            }
            defer { position = end }
            return .bytes(try blob.read(position..<end))
        }

        private static let pieceBytes = 256 << 10
    }
}
