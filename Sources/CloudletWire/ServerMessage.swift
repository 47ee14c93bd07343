// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletMessagePack

/// A message from server to client.
package enum ServerMessage: Hashable, Sendable {
    /// A command was executed; the message carries a new session's id, or a payload.
    case success(Command.Client, session: SessionID? = nil, payload: MessagePackValue? = nil)
    /// A command or the synthesis failed. `code` is our addition for clients that asked for details: a word of the
    /// error table.
    case fail(reason: String, code: String? = nil)
    /// Requests a blob.
    case onDemand(String)
    /// The VM runs. `details` are our addition for clients that asked for them.
    case synthesisDone(Details? = nil)
    /// Ours: the progress of the synthesis. A stage that this version does not know is `nil`. `position` is the
    /// client's position in the queue, from 1.
    case progress(stage: SynthesisStage?, percent: UInt64?, position: UInt64? = nil)

    /// What our server reports about a VM that runs.
    package struct Details: Hashable, Sendable {
        /// The active forwards.
        package var forwards: [ReportedForward]
        /// Why the VM was booted instead of running as it was saved, if that is so.
        package var boot: BootReport?

        /// Creates the details of a VM.
        package init(forwards: [ReportedForward] = [], boot: BootReport? = nil) {
            self.forwards = forwards
            self.boot = boot
        }
    }

    /// An active forward, as our server reports it.
    package struct ReportedForward: Hashable, Sendable {
        /// The server's address on which it listens.
        package let address: String
        /// Its transport and ports.
        package let forward: PortForward

        /// Creates a description of a forward.
        package init(address: String, forward: PortForward) {
            self.address = address
            self.forward = forward
        }
    }

    /// The longest reason that is sent, in bytes of UTF-8.
    static let longestReason = 1000
    /// The largest number of differences that are reported for a VM that was booted.
    static let mostDifferences = 16
}

extension ServerMessage {
    /// The message as a MessagePack map, keys in the order of the original's server.
    package var value: MessagePackValue {
        func command(_ command: Command.Server) -> (String, MessagePackValue) {
            (WireKey.command, .unsigned(command.rawValue))
        }
        var pairs: [(String, MessagePackValue)]
        switch self {
        case .success(let requested, let session, let payload):
            pairs = [command(.success)]
            if let session { pairs.append((WireKey.sessionID, .unsigned(session.value))) }
            pairs.append((WireKey.requestedCommand, .unsigned(requested.rawValue)))
            if let payload { pairs.append((WireKey.payload, payload)) }
        case .fail(let reason, let code):
            pairs = [(WireKey.reasons, .text(reason.cut(toBytes: Self.longestReason))), command(.fail)]
            if let code { pairs.append((WireKey.code, .text(code))) }
        case .onDemand(let name): pairs = [(WireKey.blobURI, .text(name)), command(.onDemand)]
        case .synthesisDone(let details): pairs = [command(.synthesisDone)] + (details?.pairs ?? [])
        case .progress(let stage, let percent, let position):
            pairs = [command(.progress), (WireKey.stage, .text(stage?.wireName ?? ""))]
            if let percent { pairs.append((WireKey.percent, .unsigned(percent))) }
            if let position { pairs.append((WireKey.position, .unsigned(position))) }
        }
        return .map(pairs.map { .init(.text($0.0), $0.1) })
    }

    /// Parses a message from one of our servers or one of the original's.
    package init(_ value: MessagePackValue) throws(WireError) {
        guard case .map = value else { throw .malformed("it is not a map") }
        let code = value[WireKey.command]?.unsigned
        guard let code, let command = Command.Server(rawValue: code) else { throw .unknownCommand(code) }
        switch command {
        case .success:
            let requested = value[WireKey.requestedCommand]?.unsigned.flatMap(Command.Client.init)
            guard let requested else { throw .badField(WireKey.requestedCommand) }
            self = .success(
                requested, session: value[WireKey.sessionID]?.unsigned.map(SessionID.init),
                payload: value[WireKey.payload])
        case .fail:
            self = .fail(
                reason: value[WireKey.reasons]?.text ?? "no reason given", code: value[WireKey.code]?.text)
        case .onDemand:
            guard let name = value[WireKey.blobURI]?.text else { throw .badField(WireKey.blobURI) }
            self = .onDemand(name)
        case .synthesisDone:
            self = .synthesisDone(try Details(value))
        case .progress:
            guard let stage = value[WireKey.stage]?.text else { throw .badField(WireKey.stage) }
            self = .progress(
                stage: SynthesisStage(wireName: stage), percent: value[WireKey.percent]?.unsigned,
                position: value[WireKey.position]?.unsigned)
        }
    }
}

extension ServerMessage.Details {
    /// The pairs of the message.
    fileprivate var pairs: [(String, MessagePackValue)] {
        let list = forwards.map { MessagePackValue.array([.text($0.address), .text($0.forward.description)]) }
        var pairs: [(String, MessagePackValue)] = [(WireKey.forwards, .array(list))]
        guard let boot else { return pairs }
        func text(_ text: String) -> MessagePackValue { .text(text.cut(toBytes: ServerMessage.longestReason)) }
        pairs.append((WireKey.booted, .bool(true)))
        pairs.append((WireKey.bootReason, text(boot.reason)))
        let differences = boot.differences.prefix(ServerMessage.mostDifferences)
        if !differences.isEmpty { pairs.append((WireKey.bootDifferences, .array(differences.map(text)))) }
        pairs.append((WireKey.bootAnswered, .bool(boot.applicationAnswered)))
        return pairs
    }

    /// Reads the details in a message; `nil` if it has none.
    fileprivate init?(_ value: MessagePackValue) throws(WireError) {
        let boot = try Self.boot(value)
        guard let list = value[WireKey.forwards] else {
            guard boot == nil else { throw .badField(WireKey.forwards) }
            return nil
        }
        self.init(forwards: try Self.forwards(list), boot: boot)
    }

    private static func forwards(_ value: MessagePackValue) throws(WireError) -> [ServerMessage.ReportedForward] {
        var forwards: [ServerMessage.ReportedForward] = []
        for entry in value.array ?? [] {
            guard let parts = entry.array, parts.count == 2, let address = parts[0].text, let text = parts[1].text,
                let forward = try? PortForward(parsing: text)
            else { throw .badField(WireKey.forwards) }
            forwards.append(.init(address: address, forward: forward))
        }
        return forwards
    }

    private static func boot(_ value: MessagePackValue) throws(WireError) -> BootReport? {
        guard let booted = value[WireKey.booted] else { return nil }
        guard let isBooted = booted.bool else { throw .badField(WireKey.booted) }
        guard isBooted else { return nil }
        guard let reason = value[WireKey.bootReason]?.text else { throw .badField(WireKey.bootReason) }
        let list = value[WireKey.bootDifferences].map { $0.array } ?? []
        guard let list else { throw .badField(WireKey.bootDifferences) }
        var differences: [String] = []
        for entry in list.prefix(ServerMessage.mostDifferences) {
            guard let text = entry.text else { throw .badField(WireKey.bootDifferences) }
            differences.append(text.cut(toBytes: ServerMessage.longestReason))
        }
        guard let answered = (value[WireKey.bootAnswered] ?? .bool(false)).bool else {
            throw .badField(WireKey.bootAnswered)
        }
        return BootReport(
            reason: reason.cut(toBytes: ServerMessage.longestReason), differences: differences,
            applicationAnswered: answered)
    }
}
