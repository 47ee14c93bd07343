// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletDiscovery
import CloudletMarkup
package import CloudletNetwork
package import CloudletSystem
import FoundationEssentials
package import Logging
import NIOHTTP1
import ServiceLifecycle

/// Keeps the subscriptions to the device's events (GENA, UDA 2.0 §4) and sends the events.
///
/// Events go only to the address that the subscription came from, so nobody can make the node send to a third party
/// (CVE-2020-12695, "CallStranger"). Number, lifetime and rate are limited. When the limit is reached, a new address
/// displaces a subscription of the address with the most subscriptions.
package actor EventSubscriptions: Service {
    /// Seconds granted to every subscription, whatever time it requested.
    package static let timeout = 1800
    static let maximumTotal = 256
    static let maximumPerSource = 8

    private struct Subscription {
        let service: UPnPService
        let callback: EventCallback
        let source: IPAddress
        var expires: ContinuousClock.Instant
        /// No event is sent before this time: the answer to SUBSCRIBE must arrive before the first event, and a
        /// subscriber gets at most five a second.
        var earliest: ContinuousClock.Instant
        /// The number of the next event: 0 for the first, then counted from 1; the largest 32-bit number is followed by
        /// 1.
        var sequence: UInt32 = 0
        var isSending = false
        /// The values that the last event contained.
        var lastReported: [String]?
        var failures = 0
    }

    private let record: CurrentValue<NodeRecord>
    private let lifetime: Duration
    private let logger: Logger
    private var subscriptions: [String: Subscription] = [:]
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// Creates a manager without subscribers; it sends events while it runs.
    package init(record: CurrentValue<NodeRecord>, logger: Logger) {
        self.init(record: record, lifetime: .seconds(Self.timeout), logger: logger)
    }

    /// Creates a manager whose subscriptions last for `lifetime`.
    init(record: CurrentValue<NodeRecord>, lifetime: Duration, logger: Logger) {
        self.record = record
        self.lifetime = lifetime
        self.logger = logger
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Adds a subscriber. `callback` is the header CALLBACK; the first of its URLs that leads to `source` is used.
    /// `interface` is the one on which the request arrived, for link-local callbacks.
    /// - Returns: the SID.
    /// - Throws: `GENARefusal`.
    package func subscribe(
        to service: UPnPService, callback: String?, notificationType: String?, from source: IPAddress, interface: Int32
    ) throws(GENARefusal) -> String {
        guard notificationType == "upnp:event", let callback else { throw .preconditionFailed }
        guard let target = EventCallback(header: callback, source: source, interface: interface) else {
            throw .preconditionFailed
        }
        removeExpired()
        try makeRoom(for: source)
        let sid = "uuid:\(UUID().uuidString.lowercased())"
        subscriptions[sid] = Subscription(
            service: service, callback: target, source: source, expires: .now + lifetime,
            earliest: .now + .milliseconds(100))
        wake.yield()
        return sid
    }

    /// Makes sure that `source` may have one more subscription; when the limit is reached, drops from the address with
    /// the most subscriptions the one that ends first.
    private func makeRoom(for source: IPAddress) throws(GENARefusal) {
        let counts = Dictionary(grouping: subscriptions.values, by: \.source).mapValues(\.count)
        let own = counts[source] ?? 0
        guard own < Self.maximumPerSource else { throw .full }
        guard subscriptions.count >= Self.maximumTotal else { return }
        guard let most = counts.max(by: { $0.value < $1.value }), most.value > own + 1,
            let first = subscriptions.filter({ $0.value.source == most.key }).min(by: {
                $0.value.expires < $1.value.expires
            })
        else { throw .full }
        subscriptions[first.key] = nil
        logger.info(
            "a subscriber was removed, because its address has the most subscriptions and another address needs one",
            metadata: ["source": "\(most.key)"])
    }

    /// Extends a subscription.
    package func renew(_ sid: String, of service: UPnPService) throws(GENARefusal) {
        removeExpired()
        guard subscriptions[sid]?.service == service else { throw .preconditionFailed }
        subscriptions[sid]?.expires = .now + lifetime
    }

    /// Ends a subscription.
    package func unsubscribe(_ sid: String, of service: UPnPService) throws(GENARefusal) {
        guard subscriptions[sid]?.service == service else { throw .preconditionFailed }
        subscriptions[sid] = nil
    }

    /// The number of subscribers.
    package var count: Int { subscriptions.count }

    /// Sends events until the service is shut down: the whole state to a new subscriber, then every change, at most
    /// five events a second to each.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { [record, wake] in
                for await _ in record.values() { wake.yield() }
            }
            var alarm = Alarm()
            for await _ in wakeups.cancelOnGracefulShutdown() {
                removeExpired()
                let record = record.value
                let now = ContinuousClock.now
                var next: ContinuousClock.Instant?
                for (sid, subscription) in subscriptions where !subscription.isSending {
                    let variables = subscription.service.eventedVariables(record)
                    guard variables.map(\.value) != subscription.lastReported else { continue }
                    guard subscription.earliest <= now else {
                        next = min(next ?? subscription.earliest, subscription.earliest)
                        continue
                    }
                    subscriptions[sid]?.isSending = true
                    subscriptions[sid]?.earliest = now + .milliseconds(200)
                    group.addTask { await self.send(variables, to: sid) }
                }
                alarm.set(for: next, in: &group) { [wake] in wake.yield() }
            }
            group.cancelAll()
        }
    }

    private func send(_ variables: [(name: String, value: String)], to sid: String) async {
        guard let subscription = subscriptions[sid] else { return }
        let request = subscription.callback.request(sid: sid, sequence: subscription.sequence, variables)
        let answer = try? await HTTPExchange.perform(request)
        subscriptions[sid]?.isSending = false
        if answer != nil {
            subscriptions[sid]?.failures = 0
        } else {
            subscriptions[sid]?.failures += 1
            if subscription.failures >= 2 {
                logger.info(
                    "a subscriber was removed, because it can't be reached",
                    metadata: ["source": "\(subscription.source)"])
                subscriptions[sid] = nil
            }
        }
        subscriptions[sid]?.lastReported = variables.map(\.value)
        subscriptions[sid]?.sequence = subscription.sequence == .max ? 1 : subscription.sequence + 1
        wake.yield()
    }

    private func removeExpired() {
        let now = ContinuousClock.now
        subscriptions = subscriptions.filter { $0.value.expires > now }
    }
}

/// Why a subscription was refused.
package enum GENARefusal: Error, Hashable, Sendable {
    /// 412: CALLBACK or NT is missing or invalid or leads to another host, or the SID is unknown.
    case preconditionFailed
    /// 503: the number of subscribers has reached the limit.
    case full

    /// The HTTP status.
    package var status: Int { self == .full ? 503 : 412 }
}

/// The address and path that receive a subscriber's events.
struct EventCallback: Hashable, Sendable {
    let endpoint: Endpoint
    let path: String

    /// Reads the header CALLBACK: one or more URLs in angle brackets, of which the first that leads to `source` is
    /// used; `nil` when none does.
    init?(header: String, source: IPAddress, interface: Int32) {
        guard header.utf8.count <= 1024 else { return nil }
        for part in header.split(separator: "<").prefix(8) {
            guard let end = part.firstIndex(of: ">"), let url = AbsoluteURL(part[..<end]),
                let endpoint = url.endpoint(on: interface), endpoint.address == source
            else { continue }
            self.endpoint = endpoint
            path = url.path
            return
        }
        return nil
    }

    /// Creates the NOTIFY of an event (UDA 2.0 §4.3.2).
    func request(
        sid: String, sequence: UInt32, _ variables: [(name: String, value: String)]
    ) -> HTTPExchange.Request {
        let properties = variables.map {
            "<e:property><\($0.name)>\($0.value.escapedForXML)</\($0.name)></e:property>"
        }.joined()
        let body =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
            + "<e:propertyset xmlns:e=\"urn:schemas-upnp-org:event-1-0\">\(properties)</e:propertyset>\n"
        return HTTPExchange.Request(
            method: .NOTIFY, endpoint: endpoint, path: path,
            headers: [
                ("Content-Type", "text/xml; charset=\"utf-8\""), ("NT", "upnp:event"), ("NTS", "upnp:propchange"),
                ("SID", sid), ("SEQ", String(sequence)),
            ], body: Array(body.utf8), timeout: .seconds(5), limit: 4096)
    }
}
