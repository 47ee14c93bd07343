// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletMessagePack

/// A message from client to server.
package enum ClientMessage: Hashable, Sendable {
    /// Requests a session.
    case createSession
    /// Announces the overlay-meta, whose bytes follow.
    case sendMeta(SendMeta)
    /// Announces a blob, whose bytes follow.
    case sendOverlay(name: String, size: Int, session: SessionID?)
    /// The client is done with the VM. `statistics` may contain anything.
    case finish(session: SessionID?, statistics: [MessagePackValue.Pair])
    /// Requests the machine's resources.
    case resourceInfo
    /// Ends the session.
    case closeSession(SessionID?)
    /// Gives a URL from which the server should fetch the overlay (0.8.6).
    case overlayURL(String, session: SessionID?)

    /// The fields of the message that announces a meta.
    package struct SendMeta: Hashable, Sendable {
        /// Bytes of the meta.
        package var size: Int
        /// The session.
        package var session: SessionID?
        /// The client's options; absent means the defaults.
        package var options = SynthesisOptions()
        /// Ours: the application's name.
        package var appName: String?
        /// Ours: the version of our additions that the client speaks; absent in messages of the original's clients.
        package var apiVersion: UInt64?
        /// Ours: whether the client wants `progress` messages, and details in the last message.
        package var wantsProgress = false
        /// Ours: whether other ports may be forwarded when the requested ones are taken. If one of our clients does not
        /// send this, they may.
        package var moveForwards = false
        /// Ours: whether the client continues the same session when its connection is lost during the transfer.
        package var resumes = false
        /// Ours: whether the VM may boot from its disk if the node can't resume its state. Only for clients that get the
        /// details of the last message, because others would not learn that the VM was booted.
        package var allowsBoot = false

        /// Announces a meta of `size` bytes.
        package init(size: Int, session: SessionID?) {
            self.size = size
            self.session = session
        }
    }
}

/// Options of a synthesis, as the original's clients send them.
package struct SynthesisOptions: Hashable, Sendable {
    /// Show the VM's display on the server.
    package var displayVNC = false
    /// Resume the VM before the whole overlay has arrived.
    package var earlyStart = false
    /// Log statistics.
    package var showStatistics = false

    /// Creates options that are all off.
    package init() {}
}

extension ClientMessage {
    /// The command's code.
    package var command: Command.Client {
        switch self {
        case .createSession: .createSession
        case .sendMeta: .sendMeta
        case .sendOverlay: .sendOverlay
        case .finish: .finish
        case .resourceInfo: .resourceInfo
        case .closeSession: .closeSession
        case .overlayURL: .overlayURL
        }
    }

    /// Whether the message is complete in itself: no bulk data follows, and the server answers it.
    var isShortCommand: Bool {
        switch self {
        case .createSession, .finish, .resourceInfo, .closeSession, .overlayURL: true
        case .sendMeta, .sendOverlay: false
        }
    }

    /// Parses a message. Unknown keys are ignored.
    package init(_ value: MessagePackValue) throws(WireError) {
        guard case .map = value else { throw .malformed("it is not a map") }
        let code = value[WireKey.command]?.unsigned
        guard let code, let command = Command.Client(rawValue: code) else { throw .unknownCommand(code) }
        let session = value[WireKey.sessionID]?.unsigned.map(SessionID.init)
        switch command {
        case .createSession: self = .createSession
        case .resourceInfo: self = .resourceInfo
        case .closeSession: self = .closeSession(session)
        case .sendMeta:
            var message = SendMeta(size: try Self.size(value, WireKey.metaSize), session: session)
            if let options = value[WireKey.option] {
                message.options.displayVNC = options[WireKey.displayVNC]?.bool ?? false
                message.options.earlyStart = options[WireKey.earlyStart]?.bool ?? false
                message.options.showStatistics = options[WireKey.showStatistics]?.bool ?? false
            }
            message.appName = value[WireKey.appName]?.text
            message.apiVersion = value[WireKey.apiVersion]?.unsigned
            message.wantsProgress = value[WireKey.wantsProgress]?.bool ?? false
            // The original's clients expect exactly the ports that they requested.
            message.moveForwards = value[WireKey.moveForwards]?.bool ?? (message.apiVersion != nil)
            message.resumes = value[WireKey.resumes]?.bool ?? false
            message.allowsBoot = message.apiVersion != nil && value[WireKey.allowBoot]?.bool ?? false
            self = .sendMeta(message)
        case .sendOverlay:
            guard let name = value[WireKey.blobURI]?.text else { throw .badField(WireKey.blobURI) }
            self = .sendOverlay(name: name, size: try Self.size(value, WireKey.blobSize), session: session)
        case .finish:
            guard case .map(let pairs) = value else { throw .malformed("it is not a map") }
            let own: Set<MessagePackValue> = [.text(WireKey.command), .text(WireKey.sessionID)]
            self = .finish(session: session, statistics: pairs.filter { !own.contains($0.key) })
        case .overlayURL:
            guard let url = value[WireKey.overlayURL]?.text else { throw .badField(WireKey.overlayURL) }
            self = .overlayURL(url, session: session)
        }
    }

    private static func size(_ value: MessagePackValue, _ key: String) throws(WireError) -> Int {
        guard let number = value[key]?.unsigned, let size = Int(exactly: number) else { throw .badField(key) }
        return size
    }

    /// The message as a MessagePack map, keys in the order of the original's Python client.
    package var value: MessagePackValue {
        let command = MessagePackValue.unsigned(self.command.rawValue)
        func id(_ session: SessionID?) -> MessagePackValue { session.map { .unsigned($0.value) } ?? .nil }
        switch self {
        case .createSession, .resourceInfo: return .record((WireKey.command, command))
        case .closeSession(let session):
            return .record((WireKey.command, command), (WireKey.sessionID, id(session)))
        case .overlayURL(let url, let session):
            return .record(
                (WireKey.overlayURL, .text(url)), (WireKey.command, command), (WireKey.sessionID, id(session)))
        case .sendOverlay(let name, let size, let session):
            return .record(
                (WireKey.blobURI, .text(name)), (WireKey.command, command), (WireKey.sessionID, id(session)),
                (WireKey.blobSize, .unsigned(UInt64(size))))
        case .finish(let session, let statistics):
            return .map(
                statistics + [
                    .init(.text(WireKey.sessionID), id(session)), .init(.text(WireKey.command), command),
                ])
        case .sendMeta(let message):
            var pairs: [(String, MessagePackValue)] = [
                (WireKey.metaSize, .unsigned(UInt64(message.size))), (WireKey.command, command),
                (
                    WireKey.option,
                    .record(
                        (WireKey.earlyStart, .bool(message.options.earlyStart)),
                        (WireKey.displayVNC, .bool(message.options.displayVNC)))
                ), (WireKey.sessionID, id(message.session)),
            ]
            if let appName = message.appName { pairs.append((WireKey.appName, .text(appName))) }
            if let version = message.apiVersion { pairs.append((WireKey.apiVersion, .unsigned(version))) }
            if message.wantsProgress { pairs.append((WireKey.wantsProgress, .bool(true))) }
            // Nodes before 0.9 take a missing key for `false`.
            if message.moveForwards || message.apiVersion != nil {
                pairs.append((WireKey.moveForwards, .bool(message.moveForwards)))
            }
            if message.resumes { pairs.append((WireKey.resumes, .bool(true))) }
            if message.allowsBoot { pairs.append((WireKey.allowBoot, .bool(true))) }
            return .map(pairs.map { .init(.text($0.0), $0.1) })
        }
    }
}
