// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Foundation
import Logging
import ServiceLifecycle
import Testing

@testable import CloudletNetwork
@testable import CloudletNode

/// Where the node listens for clients, and which port it announces.
@Suite struct SynthesisListenerTests {
    private typealias Endpoint = InterfaceListeners.Endpoint
    private let lan = NetworkInterface(
        index: 2, name: "wlan0",
        addresses: [
            InterfaceAddress(.v4(0xC0A8_0105), prefixLength: 24),
            InterfaceAddress(.v6(high: 0xFE80 << 48, low: 5), prefixLength: 64),
        ])

    private let inside = NetworkInterface(
        index: 1, name: "lo", isLoopback: true, addresses: [InterfaceAddress(.v4(0x7F00_0002), prefixLength: 8)])
    private let logger: Logger
    private let server: SessionServer

    init() {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        self.logger = logger
        server = SessionServer(
            backend: OneAnswerBackend(.failure(CloudletError(.busy, "full"))), unended: UnendedVMs(logger: logger),
            logger: logger)
    }

    @Test(
        "the port announced is the first one that clients on the LAN reach",
        arguments: [
            ("127.0.0.1:9000,192.168.1.5:8021", 8021), ("192.168.1.5:8021,127.0.0.1:9000", 8021),
            ("192.168.1.5:8021,192.168.1.5:8022", 8021), ("127.0.0.1:9000,[fe80::5%wlan0]:8023", 8023),
            ("127.0.0.1:9000,10.0.0.1:9001", 9000), ("127.0.0.1:9000,:8021", 8021),
            ("127.0.0.1:9000,0.0.0.0:8024", 8024),
        ])
    func announced(listen: String, port: UInt16) throws {
        let addresses = SynthesisAddresses(
            configured: try listen.split(separator: ",").map { try ListenAddress(String($0)) }, isConfined: false)
        var bound: [Endpoint: UInt16] = [:]
        for endpoint in addresses.endpoints(on: [lan]) { bound[endpoint] = endpoint.port }
        for _ in 0..<20 {
            #expect(addresses.announcedPort(bound: bound, interfaces: [lan]) == port)
        }
        // Of a port left to the system, the one it chose.
        let any = SynthesisAddresses(
            configured: [ListenAddress(address: ScopedAddress("192.168.1.5"), port: 0)], isConfined: false)
        #expect(
            any.announcedPort(bound: [Endpoint(host: "192.168.1.5", port: 0): 4711], interfaces: [lan]) == 4711)
    }

    @Test("two ports of one address are both served; a confined node keeps off the machine's inside")
    func served() async throws {
        let both = try [Listener(), Listener()].map { try #require($0).port }
        let sockets = try await SynthesisSockets(
            SynthesisAddresses(configured: both.map { ListenAddress(address: nil, port: $0) }, isConfined: true),
            on: [inside])
        #expect(Set(sockets.bound.values) == Set(both))
        let listener = SynthesisListener(
            server: server, sockets: sockets, interfaces: CurrentValue([inside]), logger: logger)
        let running = Task { try await listener.run() }
        defer { running.cancel() }
        for port in both {
            try await until(10, "nothing is listened on") { RawConnection(address: 0x7F00_0002, port: port) != nil }
        }
        #expect(Set(listener.bound.value.map(\.host)) == ["127.0.0.2"])
    }

    @Test("addresses that come and go are followed, and one whose port is taken is tried again")
    func followed() async throws {
        var taken = Listener(address: 0x7F00_0003)
        let port = try #require(taken).port
        let interfaces = CurrentValue([inside])
        let sockets = try await SynthesisSockets(
            SynthesisAddresses(configured: [ListenAddress(address: nil, port: port)], isConfined: true),
            on: interfaces.value)
        let listener = SynthesisListener(
            server: server, sockets: sockets, interfaces: interfaces, logger: logger)
        let services = ServiceGroup(services: [listener], logger: logger)
        let running = Task { try await services.run() }
        let hosts = { @Sendable in Set(listener.bound.value.map(\.host)) }
        #expect(hosts() == ["127.0.0.2"])
        interfaces.update {
            $0[0].addresses = [3, 4].map { InterfaceAddress(.v4(0x7F00_0000 + $0), prefixLength: 8) }
        }
        try await until(10, "the new address is not listened on") { hosts() == ["127.0.0.4"] }
        // Its listener is closed after it has left `bound`.
        try await until(10, "the old address is listened on") { RawConnection(address: 0x7F00_0002, port: port) == nil }
        taken = nil
        try await until(10, "the address is not tried again") { hosts() == ["127.0.0.3", "127.0.0.4"] }
        #expect(RawConnection(address: 0x7F00_0003, port: port) != nil)
        await services.triggerGracefulShutdown()
        try await running.value
        #expect(hosts().isEmpty && RawConnection(address: 0x7F00_0004, port: port) == nil)
    }

    @Test("what UPnP tells of sessions has no ids: they are all that is needed to end one")
    func sessionLines() {
        var statuses = (0..<2).map { _ in SessionStatus(id: .random(), client: "10.0.0.1", created: Date()) }
        statuses[1].stage = .running
        statuses[1].appName = "face"
        #expect(WebPart.lines(about: statuses) == ["1 created -", "2 running face"])
    }
}
