import CloudletControl
import CloudletCore
import CloudletHypervisor
import CloudletSystem

/// The node of a home, asked at its control socket.
struct NodeControl: Sendable {
    let home: CloudletHome

    /// How long a node may take from its start to its control socket.
    private static let startTimeout = Duration.seconds(5)

    /// Sends a request.
    /// - Returns: the replies; `nil` when no node runs.
    /// - Throws: `CloudletError.unavailable` when the node that runs does not take requests.
    func send<Request: ControlRequest>(
        _ request: Request
    ) async throws(CloudletError) -> ControlReplies<Request>? {
        let client = ControlClient(home)
        if let replies = try await client.send(request) { return replies }
        guard try HypervisorRoot.nodeRuns(under: home.hypervisors) else { return nil }
        // It starts, or ends.
        let starts = try watch()
        let replies = try await withDeadline(Self.startTimeout) {
            () async throws(CloudletError) -> ControlReplies<Request>? in
            if let replies = try await client.send(request) { return replies }
            while try await starts.waitForFile() {
                if let replies = try await client.send(request) { return replies }
            }
            return nil
        }
        if let replies = replies ?? nil { return replies }
        guard try HypervisorRoot.nodeRuns(under: home.hypervisors) else { return nil }
        throw CloudletError(
            .unavailable, "the node that runs with \(home.root) has no control socket (\(home.controlSocket))",
            advice: "see the node's log; a node of an earlier version must be restarted")
    }

    /// The only reply to a request; `nil` when no node runs.
    func ask<Request: ControlRequest>(_ request: Request) async throws(CloudletError) -> Request.Reply? {
        try await send(request)?.only()
    }

    /// Watches for nodes that begin to listen.
    func watch() throws(CloudletError) -> DirectoryWatch {
        try Directory.createPrivate(home.controlDirectory)
        return try DirectoryWatch(home.controlDirectory)
    }
}
