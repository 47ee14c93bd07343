// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletSystem
import CloudletTestSupport
import Hummingbird
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import CloudletNetwork
@testable import CloudletNode

/// `/health`, `/ready` and `/metrics` over real connections.
@Suite(.timeLimit(.minutes(1))) struct OperationRoutesTests {
    private func withServer(
        _ checks: [Health.Check], timeout: Duration = .seconds(10),
        _ body: @escaping @Sendable (@Sendable (String) async -> String) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let health = Health(checks, interval: .milliseconds(50), timeout: timeout, logger: logger)
        let record = CurrentValue(NodeRecord(id: .random(), name: "Test", httpPort: 0))
        let router = NodeRouter()
        OperationRoutes(health: health, metrics: NodeMetrics(), queue: { 0 }) { [] }.add(to: router)
        let server = NodeHTTPServer(
            record: record, interfaces: CurrentValue([NetworkInterface.loopback]), responder: router.buildResponder(),
            logger: logger)
        let port = record.value.httpPort
        try await withThrowingTaskGroup(of: Void.self) { group in
            let services = ServiceGroup(services: [server, health], logger: logger)
            group.addTask { try await services.run() }
            try await until(30, "the server did not start") { RawConnection(port: port) != nil }
            try await body { path in
                await RawConnection.ask(
                    port,
                    "\(path.hasPrefix("/") ? "GET " : "")\(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                )
            }
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }

    @Test("/ready follows what the checks find and names each reason; /health goes on")
    func ready() async throws {
        let failure = Mutex<CloudletError?>(CloudletError(.io, "the disk is gone", advice: "plug it in"))
        let check = Health.Check("registry") { () async throws(CloudletError) in
            if let failure = failure.withLock({ $0 }) { throw failure }
        }
        try await withServer([check]) { get in
            try await until(5, "the finding does not come") { await get("/ready").contains("the disk is gone") }
            let answer = await get("/ready")
            #expect(answer.hasPrefix("HTTP/1.1 503") && answer.hasSuffix("registry: the disk is gone; plug it in\n"))
            #expect(await get("/health").hasPrefix("HTTP/1.1 200"))
            #expect(await get("/metrics").contains("\ncloudlet_ready 0\n"))
            failure.withLock { $0 = nil }
            try await until(5, "it does not become ready") { await get("/ready").hasPrefix("HTTP/1.1 200") }
            #expect(await get("/metrics").contains("\ncloudlet_ready 1\n"))
            for path in ["/health", "/ready", "/metrics"] {
                let head = await get("HEAD \(path)")
                #expect(head.hasPrefix("HTTP/1.1 200") && head.hasSuffix("\r\n\r\n"), "\(path)")
            }
        }
    }

    @Test("/ready names faults with which sessions can still be accepted, and stays 200")
    func warnings() async throws {
        let check = Health.Check.withWarnings("ended VMs") { ["VM a can't be ended: no"] }
        try await withServer([check]) { get in
            try await until(5, "it does not become ready") { await get("/ready").hasPrefix("HTTP/1.1 200") }
            #expect(await get("/ready").hasSuffix("\r\n\r\nready\nwarning: ended VMs: VM a can't be ended: no\n"))
            #expect(await get("/metrics").contains("\ncloudlet_ready 1\n"))
        }
    }

    @Test("a part that hangs makes the node not ready, and asking again starts nothing anew")
    func hanging() async throws {
        let unblocked = AsyncEvent()
        let calls = Atomic(0)
        let check = Health.Check("hypervisor") { () async throws(CloudletError) in
            calls.add(1, ordering: .relaxed)
            await unblocked.wait()
        }
        try await withServer([check], timeout: .milliseconds(300)) { get in
            try await until(5, "the hanging part is not told") { await get("/ready").contains("hypervisor: no answer") }
            for _ in 0..<20 { _ = await get("/ready") }
            #expect(calls.load(ordering: .relaxed) == 1)
            unblocked.set()
            try await until(5, "it does not become ready") { await get("/ready").hasPrefix("HTTP/1.1 200") }
        }
    }

    @Test("a part that hangs does not keep the node from ending", .timeLimit(.minutes(1)))
    func hangingAtTheEnd() async throws {
        let (asked, never) = (AsyncEvent(), AsyncEvent())
        let check = Health.Check("hypervisor") { () async throws(CloudletError) in
            asked.set()
            await shielded { await never.wait() }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let services = ServiceGroup(services: [Health([check], logger: logger)], logger: logger)
        async let running: Void = services.run()
        await asked.wait()
        await services.triggerGracefulShutdown()
        try await running
        never.set()
    }

    @Test("/metrics is of the type Prometheus asks for and every line of it is right")
    func metrics() async throws {
        try await withServer([]) { get in
            let answer = await get("/metrics")
            #expect(answer.lowercased().contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"))
            let body = try #require(answer.firstRange(of: "\r\n\r\n"))
            let samples = try await MetricsReader.samples(in: String(answer[body.upperBound...]))
            #expect(samples[#"cloudlet_sessions{stage="running"}"#] == 0 && samples["cloudlet_vms"] == 0)
            #expect(samples["cloudlet_received_bytes_total"] == 0)
        }
    }
}
