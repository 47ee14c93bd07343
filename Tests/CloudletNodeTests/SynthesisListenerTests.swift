import CloudletCore
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Foundation
import Logging
import Testing

@testable import CloudletNetwork
@testable import CloudletNode

/// Where the node listens for clients, and which port it announces.
@Suite struct SynthesisListenerTests {
    private typealias Place = SynthesisListener.Place
    private let lan = NetworkInterface(
        index: 2, name: "wlan0",
        addresses: [
            InterfaceAddress(.v4(0xC0A8_0105), prefixLength: 24),
            InterfaceAddress(.v6(high: 0xFE80 << 48, low: 5), prefixLength: 64),
        ])

    @Test(
        "the port announced is the first one that clients on the LAN reach",
        arguments: [
            ("127.0.0.1:9000,192.168.1.5:8021", 8021), ("192.168.1.5:8021,127.0.0.1:9000", 8021),
            ("192.168.1.5:8021,192.168.1.5:8022", 8021), ("127.0.0.1:9000,[fe80::5%wlan0]:8023", 8023),
            ("127.0.0.1:9000,10.0.0.1:9001", 9000), ("127.0.0.1:9000,:8021", 8021),
            ("127.0.0.1:9000,0.0.0.0:8024", 8024),
        ])
    func announced(listen: String, port: UInt16) throws {
        let wanted = try listen.split(separator: ",").map { try ListenAddress(parsing: String($0)) }
        var bound: [Place: UInt16] = [:]
        for entry in wanted {
            let hosts = entry.address.map { [$0] } ?? SynthesisListener.hosts(of: [lan], confined: false)
            for host in hosts { bound[Place(host: host, port: entry.port)] = entry.port }
        }
        for _ in 0..<20 {
            #expect(SynthesisListener.announced(wanted, bound: bound, interfaces: [lan]) == port)
        }
        // Of a port left to the system, the one it chose.
        let any = ListenAddress(address: "192.168.1.5", port: 0)
        #expect(
            SynthesisListener.announced([any], bound: [Place(host: "192.168.1.5", port: 0): 4711], interfaces: [lan])
                == 4711)
    }

    @Test("two ports of one address are both served; a confined node keeps off the machine's inside")
    func served() async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let inside = NetworkInterface(
            index: 1, name: "lo", isLoopback: true, addresses: [InterfaceAddress(.v4(0x7F00_0002), prefixLength: 8)])
        let both = try [Listener(), Listener()].map { try #require($0).port }
        let wanted = both.map { ListenAddress(address: nil, port: $0) }
        let sockets = try await SynthesisListener.bind(wanted, interfaces: [inside], confined: true)
        #expect(Set(sockets.values.map(\.port)) == Set(both))
        let bound = CurrentValue(Set<String>())
        let server = SessionServer(
            backend: OneAnswerBackend(.failure(CloudletError(.busy, "full"))), logger: logger)
        let listener = SynthesisListener(
            server: server, adopted: [], interfaces: CurrentValue([inside]), first: sockets, follows: true,
            wanted: wanted, confined: true, port: both[0], bound: bound, logger: logger)
        let running = Task { try await listener.run() }
        defer { running.cancel() }
        try await until(10, "nothing is listened on") { !bound.value.isEmpty }
        #expect(bound.value == ["127.0.0.2"])
    }

    @Test("what UPnP tells of sessions has no ids: they are all that is needed to end one")
    func sessionLines() {
        var statuses = (0..<2).map { _ in SessionStatus(id: .random(), client: "10.0.0.1", created: Date()) }
        statuses[1].stage = .running
        statuses[1].appName = "face"
        #expect(Node.lines(about: statuses) == ["1 created -", "2 running face"])
    }
}
