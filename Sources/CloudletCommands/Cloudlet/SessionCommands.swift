// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletControl
import CloudletCore
import CloudletStore
import CloudletSystem
import Foundation

/// `cloudlet list-session`: lists the sessions of this machine's node.
struct ListSessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-session", abstract: "List the sessions of the node on this machine.",
        aliases: ["list_session"])

    @Flag(help: "Also list sessions that have ended.")
    var all = false

    @Flag(help: "Keep running, and list the sessions again after every change.")
    var watch = false

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    func run() async throws {
        let home = try CloudletHome.current()
        let node = NodeControl(home: home)
        if watch { return try await Console.whileRead { try await follow(node) } }
        try show(try await node.ask(ListSessions()), home)
    }

    /// Lists the sessions after every change. When the node ends, waits for the next one.
    private func follow(_ node: NodeControl) async throws {
        // Watch from here on, so that a node that starts meanwhile is not missed.
        let starts = try node.watch()
        var shown: [SessionRecord]?
        func update(_ list: SessionList?) throws(CloudletError) {
            let sessions = try sessions(list, node.home)
            if shown != sessions { try show(sessions) }
            shown = sessions
        }
        repeat {
            let replies = try await node.send(WatchSessions())
            while let list = try await replies?.next(within: nil), !Console.isClosed { try update(list) }
            try update(nil)
            if replies == nil, !Console.isClosed, !(try await starts.waitForFile()) {
                throw CloudletError(.interrupted, "interrupted")
            }
        } while !Console.isClosed
    }

    /// Returns the sessions that the node lists and, with `--all`, those in the registry. Sessions of a node that has
    /// ended are not live, whatever it wrote last.
    private func sessions(_ list: SessionList?, _ home: CloudletHome) throws(CloudletError) -> [SessionRecord] {
        let listed = list?.sessions ?? []
        guard all else { return listed.filter { !$0.stage.isEnded } }
        let ids = Set(listed.map(\.id))
        let noted = try Registry.forCommand(home.database).sessions(all: true).filter { !ids.contains($0.id) }
        return (noted + listed).sorted { ($0.created, $0.id.value) < ($1.created, $1.id.value) }
    }

    private func show(_ list: SessionList?, _ home: CloudletHome) throws(CloudletError) {
        try show(try sessions(list, home))
    }

    private func show(_ sessions: [SessionRecord]) throws(CloudletError) {
        let listing = SessionListing(sessions, withEnded: all, now: Int(Date().timeIntervalSince1970))
        switch format {
        case .json: try Console.json(listing.entries)
        case .table: Console.result(listing.table.text)
        }
    }
}

/// `cloudlet stop-session ID`: ends a session and its VM.
struct StopSessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop-session", abstract: "End a session of the node on this machine, and its VM.",
        aliases: ["stop_session"])

    @Argument(help: "The session's number, as list-session shows it.")
    var id: String

    /// The longest time that ending a session and its VM may take.
    private static let timeout = Duration.seconds(30)

    func run() async throws {
        guard let id = UInt64(id).map(SessionID.init) else {
            throw CloudletError(.usage, "'\(id.displayable(limit: 40))' is not a session number")
        }
        let home = try CloudletHome.current()
        guard let replies = try await NodeControl(home: home).send(StopSession(id)) else {
            let session = try Registry.forCommand(home.database).session(id)
            guard let session, !session.stage.isEnded else {
                throw CloudletError(
                    .notFound, "there is no live session \(id)", advice: "see 'cloudlet list-session'")
            }
            throw CloudletError(
                .unavailable, "the node that ran session \(id) is no longer running",
                advice: "start cloudlet-node, which ends the VMs that the earlier node left")
        }
        var reply = try await replies.next(within: ControlClient.timeout)
        if reply == .ending {
            do throws(CloudletError) { reply = try await replies.next(within: Self.timeout) } catch {
                guard error.code == .unavailable else { throw error }
                throw CloudletError(
                    .unavailable, "the node did not end session \(id) within \(Self.timeout.shown)")
            }
        }
        guard reply == .ended else {
            throw CloudletError(.unavailable, "the node ended before it reported the end of session \(id)")
        }
        Console.result("session \(id) has ended")
    }
}
