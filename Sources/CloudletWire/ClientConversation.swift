// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMessagePack

/// The client's side of a synthesis connection as a pure state machine.
package struct ClientConversation: Sendable {
    /// Something that the server did.
    package enum Event: Sendable, Hashable {
        /// The meta was accepted.
        case metaAccepted
        /// A session was created.
        case session(SessionID)
        /// The server requests a blob, given by its index in the list passed to the initializer.
        case send(Int)
        /// The server reports the progress of the synthesis.
        case progress(stage: SynthesisStage, percent: UInt64?)
        /// The server has no room yet. Position 1 is the next in the queue.
        case queued(position: Int)
        /// The VM runs.
        case done(ServerMessage.Details?)
        /// A command was carried out.
        case success(Command.Client)
        /// The server reports a failure: its reason, and the code of our error table if it sent one.
        case failed(reason: String, code: String?)
    }

    private var frames = FrameReader(limit: 1 << 20)
    private let blobNames: [String]
    private var sent: Set<Int> = []

    /// Creates a conversation about an overlay with these blobs; without blobs, for short commands.
    package init(blobNames: [String] = []) { self.blobNames = blobNames }

    /// Processes bytes from the server. Those after a failure are ignored, because it is the server's last message.
    /// - Throws: `WireError` when the server breaks the protocol.
    package mutating func receive(_ bytes: ArraySlice<UInt8>) throws(WireError) -> [Event] {
        var input = bytes
        var events: [Event] = []
        while let event = try frames.next(&input) {
            guard case .message(let value) = event else { throw .unexpected("bulk data") }
            guard let event = try handle(try ServerMessage(value)) else { continue }
            events.append(event)
            if case .failed = event { break }
        }
        return events
    }

    private mutating func handle(_ message: ServerMessage) throws(WireError) -> Event? {
        switch message {
        case .success(.createSession, let session, _):
            guard let session, session.value != 0 else { throw .badField(WireKey.sessionID) }
            return .session(session)
        case .success(.sendMeta, _, _): return .metaAccepted
        case .success(let command, _, _): return .success(command)
        case .fail(let reason, let code): return .failed(reason: reason, code: code)
        case .progress(_, _, let position?): return .queued(position: Int(clamping: position))
        // A stage that only a newer server knows is ignored.
        case .progress(let stage, let percent, nil): return stage.map { .progress(stage: $0, percent: percent) }
        case .synthesisDone(let details): return .done(details)
        case .onDemand(let name):
            guard let index = blobNames.firstIndex(of: name) else { throw .unknownBlob(name) }
            guard sent.insert(index).inserted else { throw .unexpected("a second request for the blob '\(name)'") }
            return .send(index)
        }
    }
}
