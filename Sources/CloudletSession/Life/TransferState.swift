// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletOverlay

/// How much of a session's overlay was received over all its connections: when one is lost, the next one sends what is
/// missing. The conversation of each connection has already checked the order of the pieces.
struct TransferState: Sendable {
    /// Indices of the blobs that are complete or not needed.
    private var received: Set<Int> = []
    /// The blob that is partly received, and how many of its bytes were passed on.
    private var partial: (index: Int, passed: Int)?
    /// How many of its bytes came on the current connection.
    private var position = 0
    /// Whether bytes were lost on their way to the synthesis.
    private var isBroken = false

    /// Where a connection continues the transfer.
    struct ResumePoint: Sendable, Hashable {
        /// Indices of the blobs that are complete or not needed.
        var received: Set<Int> = []
        /// Index of the blob that must be sent first.
        var first: Int?
    }

    /// Notes that blobs are not needed, before the first one has been requested.
    mutating func skip(_ blobs: Set<Int>) { received.formUnion(blobs) }

    /// Where the connection that is attached begins or continues.
    var resumePoint: ResumePoint { ResumePoint(received: received, first: partial?.index) }

    /// Prepares for a new connection.
    /// - Returns: `false` if bytes were lost, so that the transfer can't continue.
    mutating func beginConnection() -> Bool {
        position = 0
        return !isBroken
    }

    /// The part of a piece that was not received on an earlier connection; `nil` if all of it was.
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
