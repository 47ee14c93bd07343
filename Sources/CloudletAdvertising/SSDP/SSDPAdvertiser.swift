// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSystem
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Announces the node by SSDP (UDA 2.0 §1) with this package's own engine: by IPv4 and IPv6 on every chosen interface,
/// each with a LOCATION that is valid there. Follows the record and the network, and sends goodbyes when the service
/// ends.
package actor SSDPAdvertiser: Advertiser {
    /// Where the node is announced now.
    package nonisolated let state = CurrentValue(AdvertiserState.starting)

    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let maximumAge: Int
    private let logger: Logger
    private let loop: any EventLoop
    private let desk = ReplyDesk()
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    struct Speaker {
        let endpoint: SSDPEndpoint
        var schedule: SSDPSchedule
    }

    private(set) var speakers: [Speaker] = []
    private let bootIDs: BootIDs
    private var bootID: Int32
    private var announced: NodeRecord?
    /// Whether the node was ever announced on a link.
    private var hasSpoken = false
    private var network: [NetworkInterface]?
    /// The time before which no changed description is announced, so that quick successive changes are announced as
    /// one.
    private var nextChange = ContinuousClock.now
    /// Whether a change of addresses is still to be announced. Such changes are combined too: none is announced before
    /// `nextUpdate`.
    private var needsUpdate = false
    private var nextUpdate = ContinuousClock.now
    /// Links whose sockets could not be opened, or were lost, with the time of the next try.
    private var failed: [SSDPLink: ContinuousClock.Instant] = [:]

    /// Creates an advertiser of `record` on `interfaces`. `maximumAge` is the number of seconds for which an
    /// announcement is valid if it is not repeated. `bootIDs` numbers this start and changes of addresses.
    package init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>, maximumAge: Int = 1800,
        bootIDs: BootIDs = BootIDs(), logger: Logger
    ) {
        self.record = record
        self.interfaces = interfaces
        self.maximumAge = maximumAge
        self.bootIDs = bootIDs
        bootID = bootIDs.next()
        self.logger = logger
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        loop = MultiThreadedEventLoopGroup.singleton.next()
    }

    /// Announces until the service is shut down or the task is cancelled, then sends goodbyes.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { [record, wake] in
                for await _ in record.values() { wake.yield() }
            }
            group.addTask { [interfaces, wake] in
                for await _ in interfaces.values() { wake.yield() }
            }
            var alarm = Alarm()
            for await _ in wakeups.cancelOnGracefulShutdown() {
                await step()
                alarm.set(for: next, in: &group) { [wake] in wake.yield() }
            }
            group.cancelAll()
        }
        await withdraw()
    }

    /// When `step` must run even if nothing changes.
    private var next: ContinuousClock.Instant? {
        let change = (isOutdated ? [nextChange] : []) + (needsUpdate ? [nextUpdate] : [])
        return (speakers.compactMap(\.schedule.next) + Array(failed.values) + change).min()
    }

    /// Does all work that is due.
    private func step() async {
        await dropBroken()
        let now = ContinuousClock.now
        if interfaces.value != network || failed.values.contains(where: { $0 <= now }) { await followNetwork() }
        if needsUpdate, nextUpdate <= now { update(with: []) }
        if isOutdated, nextChange <= now { await followRecord() }
        for index in speakers.indices {
            for kind in speakers[index].schedule.takeDue(at: now) { speakers[index].endpoint.notify(kind) }
        }
    }

    // MARK: - The record

    /// Whether the description has changed. Values that change often (load, memory) are not part of it.
    private var isOutdated: Bool {
        guard let announced else { return false }
        let now = record.value
        return UPnPDevice(announced) != UPnPDevice(now) || announced.httpPort != now.httpPort
    }

    /// Announces a changed description as a new configuration: cancels the old announcement and makes the new one.
    private func followRecord() async {
        let record = record.value
        logger.info("the node announces its changed description", metadata: ["name": "\(record.name.displayable())"])
        for speaker in speakers { speaker.endpoint.notify(.byebye) }
        bootID = bootIDs.next(after: bootID)
        let now = ContinuousClock.now
        for index in speakers.indices {
            speakers[index].endpoint.set(announcement(for: speakers[index].endpoint.link, of: record))
            speakers[index].schedule.announce(at: now)
        }
        announced = record
        nextChange = now + .seconds(2)
    }

    private func announcement(for link: SSDPLink, of record: NodeRecord) -> SSDPAnnouncement {
        let device = UPnPDevice(record)
        return SSDPAnnouncement(
            device: device, location: "http://\(Endpoint(link.address, record.httpPort))\(UPnPPath.description)",
            bootID: bootID, configID: UPnPDocuments(device).configID, maximumAge: maximumAge)
    }

    // MARK: - The network

    private func followNetwork() async {
        let network = interfaces.value
        self.network = network
        announced = announced ?? record.value
        let wanted = network.flatMap(SSDPLink.all)
        failed = failed.filter { wanted.contains($0.key) }
        let gone = speakers.map(\.endpoint).filter { !wanted.contains($0.link) }
        let missing = wanted.filter { link in
            !speakers.contains { $0.endpoint.link == link } && failed[link].map { $0 <= .now } ?? true
        }
        speakers.removeAll { speaker in gone.contains { $0 === speaker.endpoint } }
        // An address that is gone can't send a goodbye; one whose interface merely got another address can. Where
        // another address reaches the same hosts, the node is not gone for them.
        for endpoint in gone {
            if !hasSibling(endpoint) { endpoint.notify(.byebye) }
            await endpoint.close()
        }
        for speaker in speakers {
            if let link = wanted.first(where: { $0 == speaker.endpoint.link }) {
                speaker.endpoint.follow(link.interface)
            }
        }
        let opened = await open(missing)
        // The first links do not count as a change, nor do links that can't be opened, however often the node tries.
        needsUpdate = needsUpdate || hasSpoken && (!opened.isEmpty || !gone.isEmpty && !speakers.isEmpty)
        let now = ContinuousClock.now
        if needsUpdate, nextUpdate <= now { update(with: opened) }
        hasSpoken = hasSpoken || !opened.isEmpty
        let old = speakers.map(\.endpoint)
        for endpoint in opened {
            var schedule = SSDPSchedule(maximumAge: maximumAge)
            // Send a goodbye first, except where hosts would take it for the goodbye of addresses that remain.
            if old.contains(where: endpoint.isSibling) { schedule.announce(at: now) } else { schedule.start(at: now) }
            speakers.append(Speaker(endpoint: endpoint, schedule: schedule))
        }
        report()
    }

    private func hasSibling(_ endpoint: SSDPEndpoint) -> Bool {
        speakers.contains { $0.endpoint.isSibling(of: endpoint) }
    }

    /// Announces that the boot id changes, then changes it, also for the endpoints just `opened`, and announces the
    /// node again (UDA 2.0 §1.2.4).
    private func update(with opened: [SSDPEndpoint]) {
        needsUpdate = false
        nextUpdate = .now + .seconds(2)
        let next = bootIDs.next(after: bootID)
        for speaker in speakers { speaker.endpoint.notify(.update, nextBootID: next) }
        bootID = next
        for endpoint in speakers.map(\.endpoint) + opened {
            var announcement = endpoint.current
            announcement.bootID = bootID
            endpoint.set(announcement)
        }
        let now = ContinuousClock.now
        for index in speakers.indices { speakers[index].schedule.announce(at: now) }
    }

    /// Moves endpoints that lost a socket to the failed links.
    private func dropBroken() async {
        for endpoint in speakers.map(\.endpoint) where endpoint.isBroken {
            logger.warning(
                "an SSDP socket was closed by the system; the node will open it again",
                metadata: ["address": "\(endpoint.link.address)"])
            await endpoint.close()
            speakers.removeAll { $0.endpoint === endpoint }
            failed[endpoint.link] = .now + .seconds(1)
            report()
        }
    }

    /// Opens as many of `links` as possible; the others are tried again later.
    private func open(_ links: [SSDPLink]) async -> [SSDPEndpoint] {
        guard let announced else { return [] }
        var opened: [SSDPEndpoint] = []
        for link in links {
            do {
                let announcement = announcement(for: link, of: announced)
                let endpoint = try await SSDPEndpoint(
                    link, on: loop, announcing: announcement, desk: desk, onLoss: { [wake] in wake.yield() })
                opened.append(endpoint)
                failed[link] = nil
            } catch {
                if failed[link] == nil {
                    logger.warning(
                        "can't open the SSDP sockets of an address; the node will try again",
                        metadata: ["address": "\(link.address)", "error": "\(error)"])
                }
                failed[link] = .now + .seconds(5)
            }
        }
        return opened
    }

    private func withdraw() async {
        for _ in 0..<2 {
            for speaker in speakers { speaker.endpoint.notify(.byebye) }
        }
        for speaker in speakers { await speaker.endpoint.close() }
        speakers = []
        state.set(.stopped)
    }

    private func report() {
        if speakers.isEmpty {
            state.set(
                .waiting(failed.isEmpty ? "no network interface to announce on" : "the SSDP sockets can't be opened"))
        } else {
            let links = speakers.map { "\($0.endpoint.link.interface.name) \($0.endpoint.link.address)" }
            state.set(.announced(links.joined(separator: ", ")))
        }
    }
}
