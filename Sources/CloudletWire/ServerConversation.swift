// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMessagePack
package import CloudletOverlay

/// The server's side of one connection as a pure state machine: bytes in, events out, no I/O and no clock.
///
/// ```
/// idle --SEND_META--> meta --all bytes--> deciding --beginTransfer--> transfer --last blob--> working
/// working --markRunning--> running
///
/// idle: CREATE_SESSION, CLOSE_SESSION, FINISH, GET_RESOURCE_INFO, SEND_OVERLAY_URL
/// transfer: SEND_OVERLAY
/// running: FINISH, CLOSE_SESSION, GET_RESOURCE_INFO
/// ```
package struct ServerConversation: Sendable {
    /// Something that the client did.
    package enum Event: Sendable, Hashable {
        /// It requests a session.
        case createSession
        /// It sent a meta; answer with ``ServerConversation/beginTransfer(_:present:first:)`` or a failure.
        case meta(ClientMessage.SendMeta, [UInt8])
        /// It sends a part of a blob that was requested.
        case blob(BlobPiece)
        /// The server should request these blobs now.
        case request([String])
        /// The last blob has arrived.
        case allReceived
        /// It is done with the VM of a session.
        case finish(SessionID?)
        /// It ends a session.
        case closeSession(SessionID?)
        /// It requests the machine's resources.
        case resourceInfo
        /// It wants the server to fetch the overlay from a URL.
        case overlayURL(String, SessionID?)
    }

    /// The limits on what a client may send.
    package struct Limits: Sendable, Hashable {
        /// Bytes of one message.
        package var message = 64 << 10
        /// Bytes of one meta.
        package var meta = 16 << 20
        /// Commands that may arrive before earlier ones were answered. Ordinary clients wait for each answer.
        package var unanswered = 128

        /// The default limits.
        package init() {}
    }

    private enum State: Sendable {
        case idle
        case meta(ClientMessage.SendMeta)
        case deciding
        case transfer(current: Int?)
        case working
        case running
    }

    private var state = State.idle
    private var frames: FrameReader
    private let limits: Limits
    private var requests = BlobRequests([])
    private var meta: [UInt8] = []

    /// Creates a conversation that has not begun.
    package init(limits: Limits = Limits()) {
        self.limits = limits
        frames = FrameReader(limit: limits.message)
    }

    /// Whether the client may close the connection now without interrupting a message or a transfer.
    package var mayEnd: Bool {
        switch state {
        case .idle, .running: frames.isAtBoundary
        default: false
        }
    }

    /// What the client has to send next.
    package enum Expectation: Sendable, Hashable {
        /// It is not the client's turn.
        case nothing
        /// A message, or the rest of one.
        case message
        /// Bulk data: a meta, or requested blobs.
        case bulk
    }

    /// What the client has to send next.
    package var expectation: Expectation {
        switch state {
        case .idle: .message
        case .meta, .transfer: .bulk
        case .deciding, .working: .nothing
        case .running: frames.isAtBoundary ? .nothing : .message
        }
    }

    /// Whether the input is between messages, metas and blobs, not inside one.
    package var isAtBoundary: Bool { frames.isAtBoundary }

    /// Bytes of an incomplete meta that are buffered.
    package var bufferedBytes: Int { meta.count }

    /// The name of the state, for logs and failures.
    package var stateName: String {
        switch state {
        case .idle: "idle"
        case .meta: "receiving the meta"
        case .deciding: "deciding"
        case .transfer: "receiving the overlay"
        case .working: "resuming the VM"
        case .running: "running"
        }
    }

    /// Processes bytes from the client. The events of one call must be answered before the next call.
    /// - Throws: `WireError` when the client breaks the protocol; the conversation is over then.
    package mutating func receive(_ bytes: ArraySlice<UInt8>) throws(WireError) -> [Event] {
        var input = bytes
        var events: [Event] = []
        var commands = 0
        while let event = try frames.next(&input) {
            switch event {
            case .message(let value):
                let message = try ClientMessage(value)
                if message.isShortCommand { commands += 1 }
                guard commands <= limits.unanswered else { throw .tooManyCommands(limit: limits.unanswered) }
                if let event = try handle(message) { events.append(event) }
            case .bulk(let bytes): if let event = try handleBulk(bytes) { events.append(event) }
            case .bulkEnd: events += try handleBulkEnd()
            }
        }
        return events
    }

    /// Accepts the meta.
    /// - Parameters:
    ///   - blobs: the blobs of the meta.
    ///   - present: indices of blobs that have arrived already.
    ///   - first: index of the blob during which an earlier connection was lost; it must come first.
    /// - Returns: the messages to send, in order: the confirmation and the requests for the first blobs.
    package mutating func beginTransfer(
        _ blobs: [BlobRequests.Blob], present: Set<Int> = [], first: Int? = nil
    ) -> [ServerMessage] {
        requests = BlobRequests(blobs, present: present, first: first)
        state = requests.isComplete ? .working : .transfer(current: nil)
        return [.success(.sendMeta)] + requests.next().map(ServerMessage.onDemand)
    }

    /// Accepts an overlay that the server has fetched, and returns the message that confirms it.
    package mutating func beginFetched() -> ServerMessage {
        state = .working
        return .success(.overlayURL)
    }

    /// Notes that the VM runs, and returns the message to send.
    package mutating func markRunning(_ message: ServerMessage) -> ServerMessage {
        state = .running
        return message
    }

    private mutating func handle(_ message: ClientMessage) throws(WireError) -> Event? {
        switch (state, message) {
        case (.idle, .createSession): return .createSession
        case (.idle, .resourceInfo), (.running, .resourceInfo): return .resourceInfo
        case (.idle, .finish(let session, _)), (.running, .finish(let session, _)): return .finish(session)
        case (.idle, .closeSession(let session)), (.running, .closeSession(let session)): return .closeSession(session)
        case (.idle, .overlayURL(let url, let session)):
            state = .deciding
            return .overlayURL(url, session)
        case (.idle, .sendMeta(let announcement)):
            guard announcement.size <= limits.meta else {
                throw .tooLarge("an overlay-meta", announcement.size, limit: limits.meta)
            }
            state = .meta(announcement)
            frames.expectBulk(announcement.size)
            return nil
        case (.transfer(nil), .sendOverlay(let name, let size, _)):
            let index = try requests.begin(name, size: size)
            state = .transfer(current: index)
            frames.expectBulk(size)
            return .blob(.begin(index))
        default: throw .unexpected("\(message.command) while \(stateName)")
        }
    }

    private mutating func handleBulk(_ bytes: [UInt8]) throws(WireError) -> Event? {
        switch state {
        case .meta:
            meta += bytes
            return nil
        case .transfer(.some): return .blob(.bytes(bytes))
        default: throw .unexpected("bulk data")
        }
    }

    private mutating func handleBulkEnd() throws(WireError) -> [Event] {
        switch state {
        case .meta(let announcement):
            state = .deciding
            defer { meta = [] }
            return [.meta(announcement, meta)]
        case .transfer(.some(let index)):
            requests.complete(index)
            var events: [Event] = [.blob(.end)]
            let names = requests.next()
            if !names.isEmpty { events.append(.request(names)) }
            if requests.isComplete {
                state = .working
                events.append(.allReceived)
            } else {
                state = .transfer(current: nil)
            }
            return events
        default: throw .unexpected("bulk data")
        }
    }
}
