public import CloudletCore
import CloudletOverlay
import CloudletSystem
public import CloudletWire

/// The blobs of an overlay directory in the order of the meta.
public struct DirectoryBlobSource: AsyncSequence, Sendable {
    private let overlay: OverlayDirectory

    /// Reads from this overlay.
    public init(_ overlay: OverlayDirectory) { self.overlay = overlay }

    /// Starts at the first blob.
    public func makeAsyncIterator() -> Iterator { Iterator(overlay: overlay) }

    /// Reads the files piece by piece.
    public struct Iterator: AsyncIteratorProtocol {
        private let overlay: OverlayDirectory
        private var index = -1
        private var file: File?
        private var position = 0

        fileprivate init(overlay: OverlayDirectory) { self.overlay = overlay }

        /// The next piece, or `nil` behind the last blob.
        public mutating func next() async throws(CloudletError) -> BlobPiece? {
            guard let file else {
                index += 1
                guard index < overlay.meta.blobs.count else { return nil }
                self.file = try File(overlay.path(of: overlay.meta.blobs[index]), .read)
                position = 0
                return .begin(index)
            }
            let bytes = try file.read(256 << 10, at: position)
            position += bytes.count
            if bytes.isEmpty {
                self.file = nil
                return .end
            }
            return .bytes(bytes)
        }
    }
}
