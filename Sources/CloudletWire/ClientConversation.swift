package import CloudletCore
import CloudletMessagePack

/// The client's side of a synthesis connection as a pure state machine.
package struct ClientConversation: Sendable {
    /// What the server did.
    package enum Event: Sendable, Hashable {
        /// The meta was accepted.
        case metaAccepted
        /// A session was made.
        case session(SessionID)
        /// A blob is to be sent: its index in the list given at the start.
        case send(Int)
        /// The work goes on.
        case progress(stage: String, percent: UInt64?, place: UInt64?)
        /// The VM runs.
        case done([ServerMessage.ReportedForward]?)
        /// A command was carried out.
        case success(Command.Client)
        /// The server gave up, with its reason and our code for it, if it sent one.
        case failed(reason: String, code: String?)
    }

    private var frames = FrameReader(limit: 1 << 20)
    private let blobNames: [String]
    private var sent: Set<Int> = []

    /// A conversation about an overlay with these blobs; none for short commands.
    package init(blobNames: [String] = []) { self.blobNames = blobNames }

    /// Takes bytes from the server.
    /// - Throws: `WireError` when the server breaks the protocol.
    package mutating func receive(_ bytes: ArraySlice<UInt8>) throws(WireError) -> [Event] {
        var input = bytes
        var events: [Event] = []
        while let event = try frames.next(&input) {
            guard case .message(let value) = event else { throw .unexpected("bulk data") }
            events.append(try handle(try ServerMessage(value)))
        }
        return events
    }

    private mutating func handle(_ message: ServerMessage) throws(WireError) -> Event {
        switch message {
        case .success(.createSession, let session, _):
            guard let session, session.value != 0 else { throw .badField(WireKey.sessionID) }
            return .session(session)
        case .success(.sendMeta, _, _): return .metaAccepted
        case .success(let command, _, _): return .success(command)
        case .fail(let reason, let code): return .failed(reason: reason, code: code)
        case .progress(let stage, let percent, let place):
            return .progress(stage: stage, percent: percent, place: place)
        case .synthesisDone(let forwards): return .done(forwards)
        case .onDemand(let name):
            guard let index = blobNames.firstIndex(of: name) else { throw .unknownBlob(name) }
            guard sent.insert(index).inserted else { throw .unexpected("a second request for the blob '\(name)'") }
            return .send(index)
        }
    }
}
