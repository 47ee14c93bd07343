// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A part of the stream in which an overlay is received: blobs one after another, in any order, each in pieces.
///
/// The source of such a stream guarantees its order: a blob of the meta starts, is followed by as many bytes as the meta
/// says and by its end, and does not start a second time. `ServerConversation` checks this for what a client sends.
package enum BlobPiece: Sendable, Hashable {
    /// The start of the blob with this index in the meta.
    case begin(Int)
    /// The next bytes of the blob.
    case bytes([UInt8])
    /// The end of the blob.
    case end
}
