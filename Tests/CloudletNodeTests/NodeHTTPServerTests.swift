// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNode
import CloudletSystem
import CloudletTestSupport
import Hummingbird
import Logging
import Testing

@testable import CloudletNetwork

/// The life of the node's HTTP server.
@Suite struct NodeHTTPServerTests {
    /// NIO ends the process when a connection is dropped that was accepted and never served, so this runs in a process
    /// of its own.
    @Test("connections that wait when the server is cut off are closed, and harm nothing")
    func cutOff() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<60 {
                let (record, server) = Self.server()
                let running = Task { try await server.run() }
                let port = record.value.httpPort
                // The server reports nowhere that it listens.
                _ = try await poll(every: .milliseconds(5), for: .seconds(60)) { () async throws(CloudletError) in
                    RawConnection(port: port) != nil
                }
                let connections = (0..<20).compactMap { _ in RawConnection(port: port) }
                running.cancel()
                _ = try? await running.value
                _ = connections.count
            }
        }
    }

    @Test("a port that is taken is left to who has it: a free one is served and written into the record")
    func takenPort() async throws {
        let other = try #require(Listener())
        let (record, server) = Self.server(port: other.port)
        let port = record.value.httpPort
        #expect(port != other.port && port != 0)
        let running = Task { try await server.run() }
        defer { running.cancel() }
        try await until(30, "the server did not start") { RawConnection(port: port) != nil }
        #expect(await RawConnection.ask(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").contains(" 404 "))
    }

    @Test("a port that is taken later, on an address that comes up, is left too, on all addresses")
    func takenLater() async throws {
        let other = try #require(Listener(address: 0x7F00_0002))
        let interfaces = CurrentValue([NetworkInterface.loopback])
        let (record, server) = Self.server(port: other.port, interfaces)
        #expect(record.value.httpPort == other.port)
        let running = Task { try await server.run() }
        defer { running.cancel() }
        try await until(30, "the server did not start") { RawConnection(port: other.port) != nil }
        interfaces.update { $0[0].addresses.append(InterfaceAddress(.v4(0x7F00_0002), prefixLength: 8)) }
        try await until(30, "the port was kept") { record.value.httpPort != other.port }
        let port = record.value.httpPort
        #expect(port != other.port)
        try await until(30, "the server did not start") { RawConnection(port: port) != nil }
        #expect(RawConnection(port: port) != nil && RawConnection(port: other.port) == nil)
    }

    private static func server(
        port: UInt16 = 0,
        _ interfaces: CurrentValue<[NetworkInterface]> = CurrentValue([NetworkInterface.loopback])
    ) -> (CurrentValue<NodeRecord>, NodeHTTPServer<RouterResponder<NodeRequestContext>>) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let record = CurrentValue(NodeRecord(id: .random(), name: "Test", httpPort: port))
        let router = Router(context: NodeRequestContext.self)
        return (
            record,
            NodeHTTPServer(
                record: record, interfaces: interfaces, responder: router.buildResponder(), logger: logger)
        )
    }
}

extension NetworkInterface {
    /// The loopback interface with 127.0.0.1 alone.
    static let loopback = NetworkInterface(
        index: 1, name: "lo", isLoopback: true, addresses: [InterfaceAddress(.v4(0x7F00_0001), prefixLength: 8)])
}
