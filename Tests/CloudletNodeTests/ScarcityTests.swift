// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Glibc
import Hummingbird
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import CloudletNetwork
@testable import CloudletNode

/// What is scarce is shared: threads, connections, descriptors, requests.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ScarcityTests {
    private static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private static func router(_ pace: RequestPace = RequestPace()) -> NodeRouter {
        let router = NodeRouter(pace: pace)
        let health = Health([], logger: logger)
        OperationRoutes(health: health, metrics: NodeMetrics(), queue: { 0 }) { [] }.add(to: router)
        return router
    }

    private static func server(
        _ router: NodeRouter, _ budget: ConnectionBudget
    ) async throws -> (port: UInt16, running: Task<Void, any Error>) {
        let record = CurrentValue(NodeRecord(id: .random(), name: "Test", httpPort: 0))
        let server = NodeHTTPServer(
            record: record, interfaces: CurrentValue([NetworkInterface.loopback]), responder: router.buildResponder(),
            connections: budget.http, gate: budget.httpGate, logger: logger)
        let running = Task { try await server.run() }
        let port = record.value.httpPort
        try await until(30, "the server did not start") { RawConnection(port: port) != nil }
        return (port, running)
    }

    private static func request(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" }

    @Test("health is answered and beats go out while all common threads are at work")
    func busyThreads() async {
        await #expect(processExitsWith: .success) { try await Self.keepThreadsBusy() }
    }

    private static func keepThreadsBusy() async throws {
        let (port, running) = try await server(router(), ConnectionBudget(descriptors: 1024))
        let address = "@cloudlet-beats-\(getpid())"
        let receiver = try #require(DatagramReceiver(at: address))
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000"])
        let health = Health([], interval: .milliseconds(20), logger: logger)
        let services = ServiceGroup(
            services: [health, ServiceManagerReports(manager: manager, health: health) { [] }], logger: logger)
        let reporting = Task { try await services.run() }
        try await until(10, "no beat comes") { receiver.take().contains("WATCHDOG=1") }

        let isOver = AsyncEvent()
        let found = Mutex<(answers: Int, beats: Int)>((0, 0))
        // Asks from a thread of its own: the tasks of this test stand still too.
        _ = DetachedThread.start {
            // Long enough for the tasks below to occupy all common threads; what was sent before does not count.
            usleep(300_000)
            _ = receiver.take()
            for _ in 0..<3 {
                guard let connection = RawConnection(port: port, timeout: 3) else { continue }
                connection.send(request("/health"))
                let isAnswered = connection.receiveNow().hasPrefix("HTTP/1.1 200")
                // Twice the interval of the watchdog messages, which is a third of WATCHDOG_USEC.
                usleep(200_000)
                found.withLock { $0.answers += isAnswered ? 1 : 0 }
            }
            found.withLock { $0.beats = receiver.take().count { $0 == "WATCHDOG=1" } }
            isOver.set()
        }
        await withDiscardingTaskGroup { group in
            for _ in 0..<64 {
                // Blocks a common thread on purpose.
                group.addTask { while !isOver.isSet { usleep(1000) } }
            }
        }
        let (answers, beats) = found.withLock { $0 }
        #expect(answers == 3 && beats >= 2, "\(answers) answers, \(beats) beats")
        running.cancel()
        reporting.cancel()
    }

    @Test("what a connection asks beyond its address's rate waits, then is refused; probes have a rate of their own")
    func pace() async throws {
        let router = Self.router(RequestPace(perSecond: 2, burst: 3))
        let (port, running) = try await Self.server(router, ConnectionBudget(descriptors: 1024))
        defer { running.cancel() }
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    await RawConnection.ask(
                        port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let refused = answers.filter { $0.hasPrefix("HTTP/1.1 429") && $0.lowercased().contains("retry-after: 1\r\n") }
        let served = answers.count { $0.hasPrefix("HTTP/1.1 200") }
        // Three at once, and two that wait for half a second and a whole one; more on a machine that takes longer.
        #expect(refused.count + served == 8 && served >= 5 && !refused.isEmpty, "\(served) served")
        #expect(
            await RawConnection.ask(port, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                .hasPrefix("HTTP/1.1 200"))
    }

    /// Opens as many connections to each port as it is told from each of several addresses, holds them, and asks for
    /// `/health` from another one.
    private static let crowd = """
        import resource, socket, sys, time
        sources, each, ports = int(sys.argv[1]), int(sys.argv[2]), [int(p) for p in sys.argv[3:]]
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        held = []
        for source in range(sources):
            for port in ports * each:
                s = socket.socket()
                s.settimeout(5)
                s.bind(('127.0.1.%d' % (source + 1), 0))
                try: s.connect(('127.0.0.1', port))
                except OSError: continue
                held.append(s)
        time.sleep(2.5)
        s = socket.create_connection(('127.0.0.1', ports[0]), 5)
        s.sendall(b'GET /health HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n')
        print(len(held), s.recv(100).split(b'\\r')[0].decode())
        """

    @Test("more connections than there are descriptors: health is answered, the processor rests, nothing ends")
    func descriptors() async {
        await #expect(processExitsWith: .success) { try await Self.crowdOut() }
    }

    private static func crowdOut() async throws {
        DescriptorLimit.lower(to: 192)
        let budget = ConnectionBudget(descriptors: DescriptorLimit.current)
        let (port, running) = try await server(router(), budget)
        let server = SessionServer(
            backend: NoBackend(), limits: budget.bounding(SessionServer.Limits()), unended: UnendedVMs(logger: logger),
            logger: logger)
        let listener = try await SessionServer.bind(address: "127.0.0.1", port: 0, gate: budget.sessionGate)
        let serving = Task { await server.serve(AsyncStream { $0.yield(listener) }) }
        let before = try #require(ProcessFigures.current()).processorSeconds
        let result = try await Tool.run("python3", ["-c", crowd, "12", "9", "\(port)", "\(listener.port)"])
        let figures = try #require(ProcessFigures.current())
        #expect(result.output == "216 HTTP/1.1 200 OK\n", "\(result.output)\(result.errors)")
        #expect(figures.openFiles < 160, "\(figures.openFiles) files")
        #expect(figures.processorSeconds - before < 1.8, "\(figures.processorSeconds - before) s")
        running.cancel()
        serving.cancel()
    }

    @Test("connections leave half of the descriptors to others", arguments: [64, 192, 1024, 4096, 1 << 14])
    func budget(descriptors: Int) {
        let budget = ConnectionBudget(descriptors: descriptors)
        #expect(budget.sessions > 0 && budget.http > 0 && budget.http <= 512)
        var limits = SessionServer.Limits()
        #expect(budget.bounding(limits).connections == min(512, budget.sessions))
        limits.connections = 1 << 20
        #expect(budget.bounding(limits).connections == budget.sessions)
        #expect(budget.sessionGate.limit + budget.httpGate.limit <= descriptors / 2)
        #expect(budget.sessionGate.limit > budget.sessions && budget.httpGate.limit > budget.http)
    }

    @Test("the machine's figures are found out once a second, however often they are asked for")
    func figures() {
        let clock = ContinuousClock()
        _ = HostResources.current()
        let first = clock.measure { _ = HostResources.current() }
        let all = clock.measure { for _ in 0..<20_000 { _ = HostResources.current() } }
        #expect(all < .seconds(1), "\(all), \(first) each")
        #expect(HostResources.current().totalMemoryMiB > 0)
    }
}

/// Does nothing for anybody.
private struct NoBackend: SynthesisBackend {
    private static let refusal = CloudletError(.unavailable, "there is nothing here")

    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis { throw Self.refusal }

    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM { throw Self.refusal }

    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource { throw Self.refusal }

    func note(_ status: SessionStatus) async {}

    func resources() async -> NodeResources { NodeResources() }
}
