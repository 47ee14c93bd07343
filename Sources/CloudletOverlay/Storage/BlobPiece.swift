/// A part of the stream in which an overlay is received: blobs one after another, in any order, each in pieces.
package enum BlobPiece: Sendable, Hashable {
    /// The start of the blob with this index in the meta.
    case begin(Int)
    /// The next bytes of the blob.
    case bytes([UInt8])
    /// The end of the blob.
    case end
}
