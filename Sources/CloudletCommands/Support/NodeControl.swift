// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletHypervisor
import CloudletSystem

/// Sends requests to the node of a home through its control socket.
struct NodeControl: Sendable {
    let home: CloudletHome

    /// The longest time from a node's start until it listens at its control socket.
    private static let startTimeout = Duration.seconds(5)

    /// Sends a request.
    /// - Returns: the replies; `nil` when no node runs.
    /// - Throws: `CloudletError.unavailable` when a node runs but does not accept requests.
    func send<Request: ControlRequest>(
        _ request: Request
    ) async throws(CloudletError) -> ControlReplies<Request>? {
        let client = ControlClient(home)
        if let replies = try await client.send(request) { return replies }
        guard try HypervisorRoot.nodeRuns(under: home.hypervisors) else { return nil }
        // The node is starting, or ending.
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
            .unavailable, "the node whose state is in \(home.root) has no control socket (\(home.controlSocket))",
            advice: "read the node's log; restart the node if its version is older")
    }

    /// Sends a request that has one reply; `nil` when no node runs.
    func ask<Request: ControlRequest>(_ request: Request) async throws(CloudletError) -> Request.Reply? {
        try await send(request)?.only()
    }

    /// Starts watching for nodes that begin to listen.
    func watch() throws(CloudletError) -> DirectoryWatch {
        try Directory.createPrivate(home.controlDirectory)
        return try DirectoryWatch(home.controlDirectory)
    }
}
