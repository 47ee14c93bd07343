import CloudletOverlay

/// How far the overlay of a session was received, across its connections: when one breaks off, the next one goes on with
/// what is missing. The order of the pieces was checked by the conversation of the connection that they came by.
struct TransferState: Sendable {
    /// Indices of the blobs that are complete.
    private var received: Set<Int> = []
    /// The blob that has begun to come, and how many of its bytes were passed on.
    private var partial: (index: Int, passed: Int)?
    /// How many of its bytes came on the present connection.
    private var position = 0
    /// Whether bytes were lost on their way to the synthesis.
    private var isBroken = false

    /// Where a connection begins to send.
    struct ResumePoint: Sendable, Hashable {
        /// Indices of the blobs that are complete.
        var received: Set<Int> = []
        /// Index of the blob that must come first.
        var first: Int?
    }

    /// Where a new connection begins; `nil` when bytes were lost and the transfer can't go on.
    mutating func beginConnection() -> ResumePoint? {
        guard !isBroken else { return nil }
        position = 0
        return ResumePoint(received: received, first: partial?.index)
    }

    /// What of a piece did not come by an earlier connection; `nil` for nothing.
    mutating func remainder(of piece: BlobPiece) -> BlobPiece? {
        switch piece {
        case .begin(let index):
            position = 0
            guard partial == nil else { return nil }
            partial = (index, 0)
            return piece
        case .bytes(let bytes):
            guard let passed = partial?.passed else { return nil }
            let known = min(bytes.count, max(0, passed - position))
            position += bytes.count
            guard known < bytes.count else { return nil }
            partial?.passed = position
            return known == 0 ? piece : .bytes(Array(bytes[known...]))
        case .end:
            if let index = partial?.index { received.insert(index) }
            partial = nil
            return piece
        }
    }

    /// Notes that a piece may not have reached the synthesis.
    mutating func markBroken() { isBroken = true }
}
