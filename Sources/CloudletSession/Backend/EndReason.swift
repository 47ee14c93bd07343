// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Why a session ends. ``description`` gives the reason in the words that clients, logs and `cloudlet list-session`
/// show.
package enum EndReason: Sendable, Hashable {
    /// A failure that ends a session.
    package struct Failure: Sendable, Hashable {
        /// The kind of failure.
        package let code: CloudletError.Code
        /// The error's full description.
        package let text: String

        /// Describes an error.
        package init(_ error: CloudletError) { (code, text) = (error.code, error.description) }
    }

    /// The client sent FINISH.
    case finished
    /// The client sent CLOSE_SESSION.
    case closed
    /// The connection ended before the VM ran, and the client had not announced that it reconnects.
    case disconnected
    /// The connection ended because of an error of its client.
    case clientFault(Failure)
    /// The connection was lost, and no other one came in time.
    case reconnectTimeout
    /// The client lost its connection and began another session with the same overlay.
    case replaced
    /// The client never used the session.
    case unused
    /// The node's owner stopped the session.
    case stopped
    /// The node is stopping.
    case nodeStopped
    /// The synthesis failed.
    case failed(Failure)
    /// The VM ended: its guest was shut down.
    case vmEnded
    /// The VM failed.
    case vmFailed(Failure)

    /// The kind of failure, if the synthesis or the VM failed.
    package var failure: CloudletError.Code? {
        switch self {
        case .failed(let failure), .vmFailed(let failure): failure.code
        default: nil
        }
    }
}

extension EndReason: CustomStringConvertible {
    /// The reason in words.
    package var description: String {
        switch self {
        case .finished: "the client is done"
        case .closed: "the client closed it"
        case .disconnected: "the client closed the connection"
        case .clientFault(let failure), .failed(let failure): failure.text
        case .reconnectTimeout: "the client's connection was lost, and it did not reconnect in time"
        case .replaced: "its client lost the connection and began another session"
        case .unused: "it was not used"
        case .stopped: "it was stopped on the node"
        case .nodeStopped: "the node stops"
        case .vmEnded: "the VM ended by itself"
        case .vmFailed(let failure): "the VM failed: \(failure.text)"
        }
    }
}
