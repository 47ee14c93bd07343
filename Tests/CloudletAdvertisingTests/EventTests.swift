// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Logging
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery
@testable import CloudletNetwork

@Suite struct EventTests {
    private let source = IPAddress.v4(0x0A4D_0002)

    @Test(
        "events go to the subscriber's own address only (C15)",
        arguments: [
            ("<http://10.77.0.2:5000/a?b=c>", 5000), ("<http://10.77.0.2/>", 80), ("<http://10.77.0.2>", 80),
            ("<http://192.0.2.77:80/><http://10.77.0.2:5000/>", 5000), ("<http://192.0.2.77:80/>", nil),
            ("<http://127.0.0.1:22/>", nil), ("<http://localhost/>", nil), ("<https://10.77.0.2/>", nil),
            ("<http://10.77.0.2:0/>", nil), ("<http://10.77.0.2:5000/ x>", nil), ("http://10.77.0.2:5000/", nil),
            ("<http://10.77.0.2@192.0.2.77/>", nil), ("", nil), ("<>", nil), ("<http://[fe80::1]/>", nil),
        ] as [(String, UInt16?)])
    func callback(header: String, port: UInt16?) {
        #expect(EventCallback(header: header, source: source, interface: 2)?.endpoint.port == port)
    }

    @Test("subscriptions are bounded by source and in all, renewed and ended by the right SID (C13, C16)")
    func subscriptions() async throws {
        let record = CurrentValue(NodeRecord(id: .random(), name: "n", httpPort: 1))
        let events = EventSubscriptions(record: record, logger: .init(label: "test"))
        func subscribe(_ number: UInt32) async throws -> String {
            let address = IPAddress.v4(number)
            return try await events.subscribe(
                to: .synthesis, callback: "<http://\(address):1/>", notificationType: "upnp:event", from: address,
                interface: 0)
        }
        var sid = ""
        for _ in 0..<8 { sid = try await subscribe(0x0A00_0001) }
        await #expect(throws: GENARefusal.full) { try await subscribe(0x0A00_0001) }
        for number in 2..<33 { for _ in 0..<8 { _ = try await subscribe(0x0A00_0000 + UInt32(number)) } }
        #expect(await events.count == EventSubscriptions.maximumTotal)
        // It gets a place of one that has more.
        _ = try await subscribe(0x0A00_0100)
        #expect(await events.count == EventSubscriptions.maximumTotal)
        try await events.renew(sid, of: .synthesis)
        await #expect(throws: GENARefusal.preconditionFailed) { try await events.renew(sid, of: .original) }
        await #expect(throws: GENARefusal.preconditionFailed) { try await events.unsubscribe("uuid:x", of: .synthesis) }
        try await events.unsubscribe(sid, of: .synthesis)
        await #expect(throws: GENARefusal.preconditionFailed) { try await events.unsubscribe(sid, of: .synthesis) }
        await #expect(throws: GENARefusal.preconditionFailed) {
            try await events.subscribe(
                to: .original, callback: "<http://10.0.0.1/>", notificationType: "upnp:other", from: .v4(0x0A00_0001),
                interface: 0)
        }
    }
}
