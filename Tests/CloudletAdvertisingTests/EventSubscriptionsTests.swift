// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Logging
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery
@testable import CloudletNetwork

/// When events are sent, and when no more; what they look like is seen by UPnPRoutesTests.
@Suite struct EventSubscriptionsTests {
    private let record = CurrentValue(NodeRecord(id: .random(), name: "Test", httpPort: 1))
    private let home = IPAddress.v4(0x7F00_0001)

    private func with(
        lifetime: Duration, _ body: (EventSubscriptions, Listener) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let subscriptions = EventSubscriptions(record: record, lifetime: lifetime, logger: logger)
        let running = Task { try await subscriptions.run() }
        defer { running.cancel() }
        try await body(subscriptions, try #require(Listener()))
    }

    private func subscribe(_ subscriptions: EventSubscriptions, _ listener: Listener) async throws {
        _ = try await subscriptions.subscribe(
            to: .synthesis, callback: "<http://127.0.0.1:\(listener.port)/>", notificationType: "upnp:event",
            from: home, interface: 0)
    }

    @Test("a subscription that is not renewed ends, also when nobody subscribes any more (C13)")
    func expiry() async throws {
        try await with(lifetime: .milliseconds(400)) { subscriptions, listener in
            try await subscribe(subscriptions, listener)
            #expect(await listener.next().contains("SEQ: 0"))
            try await until(5, "the subscription goes on") {
                record.update { $0.sessions += 1 }
                return await subscriptions.count == 0
            }
        }
    }

    @Test("the first event leaves the answer to SUBSCRIBE time to arrive, whatever happens meanwhile (C15)")
    func firstEvent() async throws {
        try await with(lifetime: .seconds(60)) { subscriptions, listener in
            for pause in [40, 80, 95] {
                record.update { $0.sessions += 1 }
                // An event is on its way when the subscription comes, begun so long ago.
                try await Task.sleep(for: .milliseconds(pause))
                let start = ContinuousClock.now
                try await subscribe(subscriptions, listener)
                var event = ""
                while !event.contains("SEQ: 0") { event = await listener.next() }
                #expect(ContinuousClock.now - start >= .milliseconds(100))
                // The next round begins without an event on its way.
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    @Test("addresses with many subscriptions keep no other out, and those with few keep theirs")
    func shares() async throws {
        try await with(lifetime: .seconds(60)) { subscriptions, _ in
            @Sendable func subscribe(_ source: UInt32) async throws -> String {
                try await subscriptions.subscribe(
                    to: .synthesis, callback: "<http://\(IPAddress.v4(source)):9/>", notificationType: "upnp:event",
                    from: .v4(source), interface: 0)
            }
            let modest = try await subscribe(0x7F01_0001)
            for source in 0..<40 {
                for _ in 0..<8 { _ = try? await subscribe(0x7F02_0000 + UInt32(source)) }
            }
            #expect(await subscriptions.count == EventSubscriptions.maximumTotal)
            for source in 0..<60 { _ = try await subscribe(0x7F03_0000 + UInt32(source)) }
            try await subscriptions.renew(modest, of: .synthesis)
            await #expect(throws: GENARefusal.full) {
                for _ in 0...EventSubscriptions.maximumPerSource { _ = try await subscribe(0x7F04_0000) }
            }
            #expect(await subscriptions.count == EventSubscriptions.maximumTotal)
        }
    }
}
