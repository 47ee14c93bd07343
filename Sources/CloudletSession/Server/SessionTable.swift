public import CloudletCore
import CloudletSystem
public import Foundation

/// The sessions of the node, live and recently ended.
public actor SessionTable {
    /// How long what is kept.
    public struct Limits: Sendable {
        /// A session that was made but not used yet.
        public var unused = Duration.seconds(120)
        /// Sessions that exist at the same time, used or not.
        public var sessions = 10_000
        /// Sessions of one client address that are not used yet. One more, and the oldest of them is given up.
        public var unusedPerClient = 64

        /// The default limits.
        public init() {}
    }

    private var sessions: [SessionID: Session] = [:]
    private var ended: [SessionStatus] = []
    /// Sessions that their clients have finished but not closed yet, and when.
    private var finished: [SessionID: ContinuousClock.Instant] = [:]
    private let limits: Limits

    /// An empty table.
    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Makes a session for a client.
    /// - Throws: `CloudletError.busy` when there are too many.
    func create(client: String) throws(CloudletError) -> Session {
        removeStale()
        let unused = sessions.values.filter { $0.isUnused && $0.status.client == client }
        if unused.count >= limits.unusedPerClient, let oldest = unused.min(by: { $0.born < $1.born }) {
            giveUp(oldest)
        }
        guard sessions.count < limits.sessions else {
            throw CloudletError(.busy, "the node has too many sessions", advice: "try again later")
        }
        var id = SessionID.random()
        while sessions[id] != nil { id = .random() }
        let session = Session(id: id, client: client)
        sessions[id] = session
        return session
    }

    /// Adds a session of an earlier node.
    func adopt(_ session: Session) { sessions[session.id] = session }

    /// Ends a session that its client has abandoned, the oldest, because the client begins another one with the same
    /// overlay: it would find its own ports taken.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - meta: digest of the overlay's meta.
    ///   - asksPeers: whether connections that seem to be there are tried before.
    /// - Returns: the session that ends, if there was one.
    func displace(of client: String, _ meta: SHA256Digest, asksPeers: Bool) async -> Session? {
        let own = sessions.values.filter { $0.runs(meta, for: client) }.sorted { $0.born < $1.born }
        let reason = "its client was gone, and has begun anew"
        if let session = own.first(where: { $0.giveUpIfAbandoned(reason) }) { return session }
        guard asksPeers, !own.isEmpty else { return nil }
        for session in own { session.probe(isUrgent: true) }
        defer { for session in own { session.probe(isUrgent: false) } }
        var found: Session?
        _ = try? await poll(every: .milliseconds(50), for: .seconds(1)) { () throws(CloudletError) in
            found = own.first { $0.giveUpIfAbandoned(reason) }
            return found != nil
        }
        return found
    }

    /// The session with this id, if it exists and has not ended.
    func session(_ id: SessionID?) -> Session? {
        guard let id, let session = sessions[id], !session.status.stage.isEnded else { return nil }
        return session
    }

    /// Notes that a client has finished a session: the original's clients close it afterwards.
    func noteFinished(_ id: SessionID) {
        if finished.count < limits.sessions { finished[id] = ContinuousClock().now }
    }

    /// Closes a session that was finished.
    /// - Returns: `false` when it was not, or was closed before.
    func closeFinished(_ id: SessionID?) -> Bool { id.flatMap { finished.removeValue(forKey: $0) } != nil }

    /// What all live sessions are doing, the oldest first.
    public func statuses() -> [SessionStatus] {
        removeStale()
        return sessions.values.map(\.status).filter { !$0.stage.isEnded }.sorted { $0.created < $1.created }
    }

    /// Sessions that have ended since the last call, but at most so many as may live; those that were never used are
    /// left out.
    public func takeEnded() -> [SessionStatus] {
        removeStale()
        defer { ended = [] }
        return ended
    }

    /// Ends a session, whatever it is doing.
    /// - Returns: `false` when there is no such session.
    public func stop(_ id: SessionID, reason: String) -> Bool {
        guard let session = session(id) else { return false }
        session.finish(reason)
        if session.status.stage == .created { session.markEnded(reason) }
        return true
    }

    private func removeStale() {
        let now = ContinuousClock().now
        finished = finished.filter { now - $0.value < limits.unused }
        for (id, session) in sessions {
            let status = session.status
            if session.isUnused, now - session.born >= limits.unused {
                giveUp(session)
            } else if status.stage.isEnded {
                sessions[id] = nil
                if ended.count < limits.sessions { ended.append(status) }
            }
        }
    }

    /// Drops a session that was never used; a connection that has just found it finds it ended.
    private func giveUp(_ session: Session) {
        session.markEnded("it was not used")
        sessions[session.id] = nil
    }
}

/// What a session is doing, for lists and logs.
public struct SessionStatus: Sendable, Hashable {
    /// The steps of a session's life.
    public enum Stage: String, Sendable, Hashable, CaseIterable {
        case created
        case waiting
        case receiving
        case resuming
        case running
        case ended

        /// Whether the session is over.
        public var isEnded: Bool { self == .ended }
    }

    /// The session's number.
    public let id: SessionID
    /// The client's address.
    public let client: String
    /// When it was made.
    public let created: Date
    /// What it is doing.
    public var stage = Stage.created
    /// The application's name, when the client told it.
    public var appName: String?
    /// The base VM.
    public var baseHash: SHA256Digest?
    /// Bytes of the overlay that have come.
    public var receivedBytes = 0
    /// Its place in the queue, while it waits for room.
    public var place: Int?
    /// The forwards in force, as text.
    public var forwards: [String] = []
    /// The VM's name in the hypervisor.
    public var vm: String?
    /// Why the session is over.
    public var endReason: String?
    /// The kind of failure, of a session that failed.
    public var failure: CloudletError.Code?

    /// A session that was just made.
    public init(id: SessionID, client: String, created: Date) {
        self.id = id
        self.client = client
        self.created = created
    }
}
