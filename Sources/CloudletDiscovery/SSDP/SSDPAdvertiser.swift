import AsyncAlgorithms
import CloudletCore
import FoundationEssentials
public import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Announces the node by SSDP (UDA 2.0 §1) with an engine of our own: IPv4 and IPv6, every chosen interface, each with
/// the LOCATION that is right there. Follows the record and the network; goodbye is said when the service ends.
public actor SSDPAdvertiser: Advertiser {
    /// What is announced where.
    public nonisolated let state = CurrentValue(AdvertiserState.starting)

    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let logger: Logger
    private let loop: any EventLoop
    private let budget = SharedReplyBudget()

    private var endpoints: [SSDPEndpoint] = []
    private var nextRefresh: [ContinuousClock.Instant] = []
    private var bootID: Int32
    private var announced: NodeRecord?
    /// Places whose sockets could not be opened, with the time of the next try.
    private var failed: [SSDPEndpoint.Place: ContinuousClock.Instant] = [:]

    /// An advertiser of `record` on `interfaces`.
    /// `bootID` is BOOTID.UPNP.ORG of this start; must be higher than at the last. The time in seconds when not given.
    public init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>,
        bootID: Int32? = nil, logger: Logger
    ) {
        self.record = record
        self.interfaces = interfaces
        self.bootID = bootID ?? Int32(clamping: Int(Date().timeIntervalSince1970))
        self.logger = logger
        loop = MultiThreadedEventLoopGroup.singleton.next()
    }

    private enum Event: Sendable {
        case record, network, time
    }

    /// Announces until the service is shut down or the task is cancelled, then says goodbye.
    public func run() async throws {
        let events = merge(
            record.values().map { _ in Event.record }, interfaces.values().map { _ in Event.network },
            AsyncTimerSequence(interval: .seconds(2), clock: .continuous).map { _ in Event.time })
        for await event in events.cancelOnGracefulShutdown() {
            switch event {
            case .record: await followRecord()
            case .network: await followNetwork()
            case .time: await followTime()
            }
        }
        await withdraw()
    }

    /// A changed description is a new configuration: the old announcement is cancelled, the new one made. What changes
    /// often (load, memory) is no part of it.
    private func followRecord() async {
        let record = record.value
        defer { announced = record }
        guard let before = announced, UPnPDevice(before) != UPnPDevice(record) || before.httpPort != record.httpPort
        else {
            return
        }
        logger.info("announcing a changed description", metadata: ["name": "\(record.name.displayable())"])
        for endpoint in endpoints { await endpoint.notify(.byebye) }
        bootID += 1
        for endpoint in endpoints { endpoint.set(announcement(for: endpoint.place, of: record)) }
        await announce(endpoints)
        // Changes that follow each other quickly are taken together: never more than a set a few seconds.
        try? await Task.sleep(for: .seconds(2))
    }

    private func followNetwork() async {
        let record = record.value
        announced = announced ?? record
        let wanted = interfaces.value.flatMap(SSDPEndpoint.places)
        failed = failed.filter { wanted.contains($0.key) }
        let gone = endpoints.filter { !wanted.contains($0.place) }
        let missing = wanted.filter { place in !endpoints.contains { $0.place == place } }
        // An address that is gone can't say goodbye; one whose interface merely got a further address can.
        for endpoint in gone {
            await endpoint.notify(.byebye)
            await endpoint.close()
        }
        keep { endpoint in !gone.contains { $0 === endpoint } }
        for endpoint in endpoints {
            if let place = wanted.first(where: { $0 == endpoint.place }) { endpoint.follow(place.interface) }
        }
        if !gone.isEmpty || !missing.isEmpty, !endpoints.isEmpty { await update() }
        await open(missing, record)
        report()
    }

    /// Tells those who know the node that the boot id changes (UDA 2.0 §1.2.4), then changes it.
    private func update() async {
        for endpoint in endpoints { await endpoint.notify(.update, nextBootID: bootID + 1) }
        bootID += 1
        for endpoint in endpoints {
            var announcement = endpoint.current
            announcement.bootID = bootID
            endpoint.set(announcement)
        }
    }

    private func open(_ places: [SSDPEndpoint.Place], _ record: NodeRecord) async {
        var opened: [SSDPEndpoint] = []
        for place in places {
            do {
                let announcement = announcement(for: place, of: record)
                opened.append(try await SSDPEndpoint(place, on: loop, announcing: announcement, budget: budget))
                failed[place] = nil
            } catch {
                if failed[place] == nil {
                    logger.warning(
                        "can't speak SSDP here, will try again",
                        metadata: ["address": "\(place.address)", "error": "\(error)"])
                }
                failed[place] = .now + .seconds(5)
            }
        }
        guard !opened.isEmpty else { return }
        endpoints += opened
        nextRefresh += opened.map { _ in .now + .seconds(3600) }
        // Whoever remembers the node from before a crash forgets it first.
        for endpoint in opened { await endpoint.notify(.byebye) }
        try? await Task.sleep(for: .milliseconds(100))
        await announce(opened)
    }

    /// Sends the announcement twice, after a random wait of up to 100 ms and a few hundred milliseconds apart (UDA 2.0
    /// §1.2.2), and plans the next one.
    private func announce(_ chosen: [SSDPEndpoint]) async {
        try? await Task.sleep(for: .milliseconds(.random(in: 0...100)))
        for endpoint in chosen { await endpoint.notify(.alive) }
        try? await Task.sleep(for: .milliseconds(.random(in: 200...300)))
        for endpoint in chosen { await endpoint.notify(.alive) }
        for (index, endpoint) in endpoints.enumerated() where chosen.contains(where: { $0 === endpoint }) {
            let age = endpoint.current.maximumAge
            nextRefresh[index] = .now + .seconds(Int.random(in: age / 4...age / 2))
        }
    }

    /// Repeats announcements before they expire, and tries failed places again.
    private func followTime() async {
        let now = ContinuousClock.now
        let due = zip(endpoints, nextRefresh).filter { $0.1 <= now }.map(\.0)
        if !due.isEmpty { await announce(due) }
        let again = failed.filter { $0.value <= now }.map(\.key)
        if !again.isEmpty {
            await open(again, record.value)
            report()
        }
    }

    private func withdraw() async {
        for _ in 0..<2 {
            for endpoint in endpoints { await endpoint.notify(.byebye) }
        }
        for endpoint in endpoints { await endpoint.close() }
        keep { _ in false }
        state.set(.stopped)
    }

    private func keep(_ condition: (SSDPEndpoint) -> Bool) {
        let kept = zip(endpoints, nextRefresh).filter { condition($0.0) }
        endpoints = kept.map(\.0)
        nextRefresh = kept.map(\.1)
    }

    private func announcement(for place: SSDPEndpoint.Place, of record: NodeRecord) -> SSDPAnnouncement {
        let device = UPnPDevice(record)
        return SSDPAnnouncement(
            device: device, location: "http://\(place.address.urlHost):\(record.httpPort)\(UPnPPath.description)",
            bootID: bootID, configID: UPnPDocuments(device).configID)
    }

    private func report() {
        if endpoints.isEmpty {
            state.set(.waiting(failed.isEmpty ? "no network interface to announce on" : "no usable socket"))
        } else {
            state.set(
                .announced(endpoints.map { "\($0.place.interface.name) \($0.place.address)" }.joined(separator: ", ")))
        }
    }
}
