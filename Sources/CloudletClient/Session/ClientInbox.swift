// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletWire
import Synchronization

/// The messages received from the node that wait to be taken. Their number is limited, whatever the node sends: of the
/// reports of progress only the newest waits, and a node that sends many other messages without being asked breaks the
/// protocol.
final class ClientInbox: Sendable {
    private struct State {
        var conversation = ClientConversation()
        var limit = ClientInbox.unasked
        var failure: CloudletError?
        var hasReceived = false
    }

    private let state = Mutex(State())
    private let events = Mailbox<ClientConversation.Event>()
    private let isClosed = AsyncEvent()

    /// How many messages may wait that are neither reports of progress nor requests for blobs.
    private static let unasked = 16

    /// Begins a transfer of these blobs. The node may request each of them once.
    func begin(blobNames: [String]) {
        state.withLock { state in
            state.conversation = ClientConversation(blobNames: blobNames)
            state.limit = Self.unasked + blobNames.count
        }
    }

    /// Whether the node has sent a message.
    var hasReceived: Bool { state.withLock(\.hasReceived) }

    /// Takes bytes from the node.
    /// - Throws: the reason why the connection is of no more use: the node reported a failure or broke the protocol.
    func receive(_ bytes: [UInt8]) throws(CloudletError) {
        let (received, limit): ([ClientConversation.Event], Int)
        do throws(WireError) {
            (received, limit) = try state.withLock { (state) throws(WireError) in
                let received = try state.conversation.receive(bytes[...])
                state.hasReceived = state.hasReceived || !received.isEmpty
                return (received, state.limit)
            }
        } catch {
            throw CloudletError(.protocolViolation, "the node broke the protocol", cause: error)
        }
        for event in received {
            if case .failed(let reason, let code) = event { throw CloudletError(nodeReason: reason, code: code) }
            guard events.count < limit else {
                throw CloudletError(.protocolViolation, "the node sent more than \(limit) messages without being asked")
            }
            events.put(event) { event.isReport && $0.isReport }
        }
    }

    /// Ends the inbox because the connection is of no more use. Messages that wait are dropped.
    func fail(_ error: CloudletError) {
        state.withLock { $0.failure = error }
        events.finish(throwing: error)
        _ = events.drain()
        isClosed.set()
    }

    /// Ends the inbox because the connection is lost. Messages that wait can still be taken.
    func finish(_ lost: LostConnection) {
        events.finish(throwing: lost)
        isClosed.set()
    }

    /// Waits until no more bytes can arrive, but not after the deadline.
    /// - Returns: the node's failure, or its breach of the protocol.
    func failure(until deadline: ContinuousClock.Instant) async -> CloudletError? {
        await isClosed.wait(until: deadline)
        return state.withLock(\.failure)
    }

    /// Waits for the next message.
    /// - Throws: `LostConnection`, a `CloudletError` when the node reported a failure or broke the protocol, or
    ///   `CancellationError`.
    func next() async throws -> ClientConversation.Event {
        guard let event = try await events.next() else { throw CloudletError(.defect, "the inbox ended") }
        return event
    }
}

extension ClientConversation.Event {
    /// Whether it reports the progress of the synthesis, so that a later report makes it obsolete.
    fileprivate var isReport: Bool {
        switch self {
        case .progress, .queued: true
        default: false
        }
    }
}
