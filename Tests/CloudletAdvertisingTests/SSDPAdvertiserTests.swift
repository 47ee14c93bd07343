// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Logging
import NIOCore
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery
@testable import CloudletNetwork

/// The native engine on loopback.
@Suite struct SSDPAdvertiserTests {
    @Test("a socket that closes by itself is opened again", .timeLimit(.minutes(1)))
    func lostSocket() async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let loopback = NetworkInterface(
            index: 1, name: "lo", isLoopback: true, addresses: [InterfaceAddress(.v4(0x7F00_0001), prefixLength: 8)])
        let advertiser = SSDPAdvertiser(
            record: CurrentValue(NodeRecord(id: .random(), name: "Test", httpPort: 1)),
            interfaces: CurrentValue([loopback]), logger: logger)
        let running = Task { try await advertiser.run() }
        defer { running.cancel() }
        try await until(10, "nothing is announced") { await !advertiser.speakers.isEmpty }
        let lost = try #require(await advertiser.speakers.first?.endpoint)
        try await lost.heard.close()
        try await until(10, "the socket is not opened again") {
            await advertiser.speakers.first.map { $0.endpoint !== lost } == true
        }
        #expect(advertiser.state.value == .announced("lo 127.0.0.1"))
    }
}
