import AsyncAlgorithms
import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Synchronization

/// An overlay on its way to the synthesis, kept across connections: when one breaks off, the next goes on with what is
/// missing.
final class SessionTransfer: Sendable {
    /// Where the pieces are taken from.
    let pieces = BlobChannel()

    private struct State {
        var received: Set<Int> = []
        /// The blob that has begun to come, and how many bytes of it were passed on.
        var partial: (index: Int, passed: Int)?
        /// How many bytes of it came on the present connection.
        var position = 0
        /// The connection that may send.
        var owner = 0
        var isBroken = false
    }

    private let state = Mutex(State())

    /// The connection that may send.
    var owner: Int { state.withLock(\.owner) }

    /// Where a connection begins to send.
    struct Place: Sendable {
        /// The connection's number.
        let owner: Int
        /// Indices of the blobs that are complete.
        let received: Set<Int>
        /// Index of the blob to go on with.
        let first: Int?
    }

    /// Makes another connection the one that sends; `nil` when bytes were lost and the transfer can't go on.
    func attach() -> Place? {
        state.withLock { state in
            guard !state.isBroken else { return nil }
            state.owner += 1
            state.position = 0
            return Place(owner: state.owner, received: state.received, first: state.partial?.index)
        }
    }

    /// Passes on what has not come before, and waits until it is taken.
    /// - Throws: `CloudletError.protocolViolation` when the piece does not go on where the last connection ended.
    func take(_ piece: BlobPiece, from owner: Int) async throws(CloudletError) {
        let next = try state.withLock { (state) throws(CloudletError) -> BlobPiece? in
            guard state.owner == owner else {
                throw CloudletError(.protocolViolation, "the session goes on with another connection")
            }
            return try Self.remainder(of: piece, &state)
        }
        guard let next else { return }
        await pieces.send(next)
        // A piece that was not taken because the connection was given up can't be told from one that was.
        if Task.isCancelled { state.withLock { $0.isBroken = true } }
    }

    private static func remainder(of piece: BlobPiece, _ state: inout State) throws(CloudletError) -> BlobPiece? {
        switch piece {
        case .begin(let index):
            state.position = 0
            if let partial = state.partial {
                guard partial.index == index else {
                    throw CloudletError(.protocolViolation, "another blob than the one broken off is sent first")
                }
                return nil
            }
            state.partial = (index, 0)
            return piece
        case .bytes(let bytes):
            guard let partial = state.partial else { return nil }
            let known = min(bytes.count, max(0, partial.passed - state.position))
            state.position += bytes.count
            guard known < bytes.count else { return nil }
            state.partial?.passed = state.position
            return known == 0 ? piece : .bytes(Array(bytes[known...]))
        case .end:
            if let index = state.partial?.index { state.received.insert(index) }
            state.partial = nil
            return piece
        }
    }

    /// All has come.
    func finish() { pieces.finish() }

    /// Nothing more will come.
    func fail(_ error: any Error) { pieces.fail(error) }
}
