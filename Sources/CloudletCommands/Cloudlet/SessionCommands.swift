import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import Foundation

/// `cloudlet list-session`: what the sessions of this machine's node are doing.
struct ListSessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-session", abstract: "List the sessions of the node on this machine.",
        aliases: ["list_session"])

    @Flag(help: "Show those that have ended as well.")
    var all = false

    @Flag(help: "Go on and show every change.")
    var watch = false

    @Option(help: "table or json.")
    var format: OutputFormat = .table

    /// One session in JSON.
    private struct Entry: Encodable {
        let id: String
        let stage: String
        let client: String
        let app: String?
        let base: String?
        let forwards: [String]
        let receivedBytes: Int
        let place: Int?
        let age: Int
        let reason: String?
        let failure: String?

        enum CodingKeys: String, CodingKey {
            case id, stage, client, app, base, forwards, place, age, reason, failure
            case receivedBytes = "received_bytes"
        }
    }

    func run() async throws {
        let home = try CloudletHome.current()
        let registry = try Registry(home.database)
        var shown: [SessionRecord]?
        repeat {
            let sessions = try sessions(registry, home)
            if shown != sessions { try show(sessions) }
            shown = sessions
            if watch { try await Task.sleep(for: .milliseconds(500)) }
        } while watch && !Console.isClosed
    }

    /// The sessions as they are: those of a node that is gone are not live, whatever it wrote last.
    private func sessions(_ registry: Registry, _ home: CloudletHome) throws(CloudletError) -> [SessionRecord] {
        let nodeRuns = try HypervisorRoot.nodeRuns(under: home.hypervisors)
        return all || nodeRuns ? try registry.sessions(all: all) : []
    }

    private func show(_ sessions: [SessionRecord]) throws(CloudletError) {
        let now = Int(Date().timeIntervalSince1970)
        switch format {
        case .json:
            try Console.json(
                sessions.map {
                    Entry(
                        id: $0.id.description, stage: $0.stage.rawValue, client: $0.client, app: $0.app, base: $0.base,
                        forwards: $0.forwards, receivedBytes: $0.receivedBytes, place: $0.place,
                        age: now &- $0.created, reason: $0.reason, failure: $0.failure)
                })
        case .table:
            var table = TextTable("ID", "STAGE", "CLIENT", "APP", "BASE", "AGE", all ? "PORTS OR REASON" : "PORTS")
            for session in sessions {
                let stage = session.stage.rawValue + (session.place.map { " (place \($0))" } ?? "")
                table.add(
                    session.id.description, stage, session.client, session.app?.displayable(limit: 30) ?? "-",
                    session.base.map { String($0.prefix(12)) } ?? "-",
                    Duration.seconds((session.ended ?? now) - session.created).shown,
                    session.reason?.displayable(limit: 80) ?? session.forwards.joined(separator: ", "))
            }
            Console.result(table.text)
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

    func run() async throws {
        guard let id = UInt64(id).map(SessionID.init) else {
            throw CloudletError(.usage, "'\(id.displayable(limit: 40))' is no session number")
        }
        let home = try CloudletHome.current()
        let registry = try Registry(home.database)
        guard try registry.wantStop(of: id) else {
            throw CloudletError(.notFound, "there is no live session \(id)", advice: "see 'cloudlet list-session'")
        }
        guard try HypervisorRoot.nodeRuns(under: home.hypervisors) else {
            throw CloudletError(
                .unavailable, "the node that ran session \(id) is gone",
                advice: "start cloudlet-node: it ends what is left")
        }
        let ended = try await poll(every: .milliseconds(100), for: .seconds(30)) { () throws(CloudletError) in
            try registry.session(id)?.stage.isEnded ?? false
        }
        guard ended else { throw CloudletError(.unavailable, "the node did not end session \(id) within 30 s") }
        Console.result("session \(id) has ended")
    }
}
