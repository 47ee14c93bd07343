/// What arrives while an overlay is received: blobs one after another, in any order, each in pieces.
public enum BlobPiece: Sendable, Hashable {
    /// The blob with this index in the meta begins.
    case begin(Int)
    /// Bytes of it.
    case bytes([UInt8])
    /// It is complete.
    case end
}
