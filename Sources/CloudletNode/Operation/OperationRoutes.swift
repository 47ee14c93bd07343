// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletSession
import HTTPTypes
import Hummingbird
import NIOCore

/// The paths for monitoring: `/health`, `/ready`, `/metrics`.
package struct OperationRoutes: Sendable {
    private let health: Health
    private let metrics: NodeMetrics
    private let queue: @Sendable () -> Int
    private let warmVMs: @Sendable () -> Int
    private let sessions: @Sendable () async -> [SessionStatus]

    /// Creates routes that answer from these sources.
    package init(
        health: Health, metrics: NodeMetrics, queue: @escaping @Sendable () -> Int,
        warmVMs: @escaping @Sendable () -> Int = { 0 },
        sessions: @escaping @Sendable () async -> [SessionStatus]
    ) {
        self.health = health
        self.metrics = metrics
        self.queue = queue
        self.warmVMs = warmVMs
        self.sessions = sessions
    }

    /// Adds the routes. `/health` answers 200 as long as the process works; `/ready` answers 200 if sessions can be
    /// accepted, with a line for each warning, otherwise 503 with a line for each reason; `/metrics` answers in
    /// Prometheus's text format.
    package func add(to router: NodeRouter) {
        router.get("/health") { _, _ in Self.answer("alive\n", .ok) }
        router.get("/ready") { [health] _, _ in
            let reasons = health.reasons
            return reasons.isEmpty
                ? Self.answer("ready\n" + Self.lines(health.warnings.map { "warning: \($0)" }), .ok)
                : Self.answer(Self.lines(reasons), .serviceUnavailable)
        }
        router.get("/metrics") { [health, metrics, queue, warmVMs, sessions] _, _ in
            metrics.refresh(
                await sessions(), queue: queue(), standby: warmVMs(), isReady: health.reasons.isEmpty)
            return Self.answer(metrics.registry.text, .ok, "text/plain; version=0.0.4; charset=utf-8")
        }
    }

    private static func lines(_ texts: [String]) -> String {
        texts.map { $0.withoutLocalDetails + "\n" }.joined()
    }

    private static func answer(
        _ text: String, _ status: HTTPResponse.Status, _ type: String = "text/plain; charset=utf-8"
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
