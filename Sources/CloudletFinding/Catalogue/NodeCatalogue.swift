// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork

/// Merges candidates into nodes and decides which endpoints are verified next. A node is one entry per node id, whatever
/// protocols, address families and interfaces it was seen on.
///
/// The catalogue does no I/O and reads no clock: callers pass in events with their times, and receive verifications to
/// make and events to report. Its size is bounded: when it is full, it forgets the oldest node that never answered.
struct NodeCatalogue: Sendable {
    /// The largest number of nodes in the catalogue, genuine or invented.
    static let maximumNodes = 4096
    /// The largest number of concurrent verifications.
    static let maximumActive = 128
    /// Further concurrent verifications for hosts that the machine's neighbour table lists. Without them, hosts that do
    /// not exist could occupy every slot until their verifications time out.
    static let trustedVerifications = 64

    private var nodes: [NodeKey: CatalogueNode] = [:]
    private var order: [NodeKey] = []
    private var queue = VerificationQueue()
    /// The queue length at which jobs of forgotten nodes are dropped: an endless flood creates and displaces nodes.
    private var nextSweep = Self.maximumNodes
    private var active = 0
    private var held = HeldVerifications()
    /// Limits how often a host is asked because another host named it: nobody can have a third party asked all the time.
    private var thirdPartyChecks = Self.thirdPartyBudget
    /// Limits the checks of hosts that turned out to be another node than announced: a host that claims another
    /// identity each time must not be asked forever.
    private var identityChecks = Self.identityBudget
    private var nextNumber = 1
    /// Addresses of hosts in the machine's neighbour table.
    private var neighbours: Set<IPAddress> = []
    private let checkInterval: Duration?
    /// Names of interfaces by index, for link-local addresses.
    var interfaceNames: [Int32: String]

    private static var identityBudget: ReplyBudget {
        var budget = ReplyBudget()
        (budget.sourceBurst, budget.sourceRate) = (4, 0.5)
        budget.maximumSources = maximumNodes
        return budget
    }

    private static var thirdPartyBudget: ReplyBudget {
        var budget = ReplyBudget()
        (budget.sourceBurst, budget.sourceRate) = (16, 0.2)
        (budget.totalBurst, budget.totalRate) = (2048, 128)
        budget.maximumSources = maximumNodes
        return budget
    }

    /// Creates an empty catalogue.
    /// - Parameters:
    ///   - checkInterval: how often a found node is verified again; `nil` for never.
    ///   - interfaceNames: names of interfaces by index.
    init(checkInterval: Duration? = nil, interfaceNames: [Int32: String] = [:]) {
        self.checkInterval = checkInterval
        self.interfaceNames = interfaceNames
    }

    /// Whether more verifications are queued than can run at once.
    var isCrowded: Bool { queue.count > Self.maximumActive }
    /// The number of queued verifications.
    var waiting: Int { queue.count }
    /// Whether no verification runs, is queued or is held back.
    var isIdle: Bool { active == 0 && queue.isEmpty && held.isEmpty }
    /// Whether at least one node is verified.
    var hasFound: Bool { nodes.values.contains { $0.reported != nil } }
    /// The verified nodes.
    var found: [FoundNode] { nodes.values.compactMap(\.reported) }
    /// The endpoints that were announced as a node and could not be verified.
    var unverified: [UnverifiedNode] {
        nodes.values.filter { $0.reported == nil }.flatMap { node in
            node.claims.compactMap { claim in
                (claim.reason ?? (claim.isQueued ? "it did not answer in time" : nil)).map {
                    UnverifiedNode(
                        address: claim.endpoint.address.description, name: node.name, reason: $0, origins: node.origins)
                }
            }
        }
    }
    /// When `tick(at:)` has work to do; `nil` for never.
    var nextTick: ContinuousClock.Instant? {
        let check =
            checkInterval == nil ? nil : nodes.values.compactMap { $0.reported == nil ? nil : $0.nextCheck }.min()
        return [check, held.nextRelease].compactMap(\.self).min()
    }

    /// Adds a candidate.
    /// - Returns: the events to report.
    mutating func take(_ candidate: Candidate, at now: ContinuousClock.Instant) -> [FinderEvent] {
        if candidate.isGoodbye {
            // Any host can send a goodbye in another's name: verify the node again instead of removing it.
            if let id = candidate.id, nodes[.id(id)]?.reported != nil {
                nodes[.id(id)]?.nextCheck = now + .milliseconds(300)
            }
            return []
        }
        guard let endpoint = candidate.endpoint else { return [] }
        let key = candidate.id.map { NodeKey.id($0) } ?? .address(endpoint.address)
        if nodes[key] == nil {
            guard makeRoom() else { return [] }
            nodes[key] = CatalogueNode()
            order.append(key)
        }
        guard var node = nodes[key] else { return [] }
        let isNewOrigin = node.origins.insert(candidate.origin).inserted
        node.name = candidate.name ?? node.name
        // What others say about an endpoint never changes what its host says: other ports make another endpoint.
        if let index = node.claims.firstIndex(where: { $0.endpoint.fits(endpoint) }) {
            node.claims[index].endpoint = node.claims[index].endpoint.merged(with: endpoint)
            node.claims[index].isOwn = node.claims[index].isOwn || candidate.isOwn
            if node.claims[index].verified == nil || node.claims[index].failures > 0 {
                enqueue(key, &node, index, from: candidate.source, at: now)
            }
        } else if !(endpoint.isRouted && node.isVerified), node.makeRoom(forOwn: candidate.isOwn) {
            node.claims.append(.init(endpoint: endpoint, number: nextNumber, isOwn: candidate.isOwn))
            nextNumber += 1
            enqueue(key, &node, node.claims.count - 1, from: candidate.source, at: now)
        }
        nodes[key] = node
        return isNewOrigin ? report(key) : []
    }

    /// Takes out the verifications to start now. While many are queued, those in doubt should get a short timeout.
    mutating func takeJobs() -> [(job: VerificationJob, isInDoubt: Bool)] {
        var jobs: [(job: VerificationJob, isInDoubt: Bool)] = []
        while active < Self.maximumActive + (queue.isNextTrusted ? Self.trustedVerifications : 0),
            let next = queue.next()
        {
            active += 1
            jobs.append((next.job, isCrowded && !next.isTrusted))
        }
        return jobs
    }

    /// Sets the addresses of hosts that the machine's neighbour table lists: endpoints there are verified before all
    /// others.
    mutating func trust(_ addresses: Set<IPAddress>) {
        neighbours = addresses
        queue.prefer { addresses.contains($0.endpoint.address) }
    }

    /// Adds the result of a verification.
    /// - Returns: the events to report.
    mutating func finish(
        _ job: VerificationJob, _ result: Result<VerificationResult, CloudletError>, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        active -= 1
        if case .success = result { dropRouted(of: job.key) }
        add(held.release { $0.job.key == job.key && !$0.job.endpoint.isRouted })
        guard var node = nodes[job.key], let index = node.claims.firstIndex(where: { $0.number == job.number }) else {
            return []
        }
        node.claims[index].isQueued = false
        switch result {
        case .success(let verified):
            // The candidate named no id, but the node there has one.
            if case .address = job.key, let id = verified.id { return move(job, to: .id(id), verified, at: now) }
            node.claims[index].verified = verified
            node.claims[index].failures = 0
            node.claims[index].reason = nil
        case .failure(let error):
            node.claims[index].failures += 1
            node.claims[index].reason = error.description
            // One lost packet must not make a node disappear: try a second time.
            if node.claims[index].verified != nil, node.claims[index].failures < 2 {
                nodes[job.key] = node
                enqueue(job.key, &node, index, at: now)
            } else {
                node.claims[index].verified = nil
            }
        }
        if let checkInterval { node.nextCheck = now + checkInterval }
        nodes[job.key] = node
        return report(job.key)
    }

    /// Adds a node that answered at the endpoint where another node was announced. A host that announces in the name of
    /// that node may drown its own announcements, but its answer shows where it is.
    /// - Returns: the events to report.
    mutating func take(
        _ other: VerificationResult, insteadOf job: VerificationJob, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        guard let id = other.id, nodes[.id(id)]?.isVerified != true, let announced = nodes[job.key],
            identityChecks.allow(1, to: job.endpoint.address, at: now)
        else { return [] }
        var endpoint = job.endpoint
        (endpoint.synthesisPort, endpoint.descriptionPath) = (other.synthesisPort, nil)
        return announced.origins.sorted().flatMap { origin in
            take(
                Candidate(origin: origin, id: id, name: other.name, endpoint: endpoint, source: endpoint.address),
                at: now)
        }
    }

    /// Releases held verifications and verifies found nodes again when they are due.
    mutating func tick(at now: ContinuousClock.Instant) {
        add(held.release { $0.until <= now })
        guard checkInterval != nil else { return }
        for (key, found) in nodes {
            guard let next = found.nextCheck, next <= now, found.reported != nil else { continue }
            var node = found
            node.nextCheck = checkInterval.map { now + $0 }
            for index in node.claims.indices where node.claims[index].verified != nil {
                enqueue(key, &node, index, at: now)
            }
            nodes[key] = node
        }
    }

    /// Drops the claims of a verified node that lead to hosts on other networks and were not checked yet.
    private mutating func dropRouted(of key: NodeKey) {
        let dropped = held.release { $0.job.key == key && $0.job.endpoint.isRouted }.map(\.job.number)
        nodes[key]?.claims.removeAll { dropped.contains($0.number) }
    }

    /// Plans a verification. `source` is the host that claims that there is a node; `nil` when the claim comes from
    /// elsewhere.
    private mutating func enqueue(
        _ key: NodeKey, _ node: inout CatalogueNode, _ index: Int, from source: IPAddress? = nil,
        at now: ContinuousClock.Instant
    ) {
        let claim = node.claims[index]
        guard !claim.isQueued else { return }
        if !claim.isOwn, claim.verified == nil, !thirdPartyChecks.allow(1, to: claim.endpoint.address, at: now) {
            return
        }
        let job = VerificationJob(key: key, endpoint: claim.endpoint, number: claim.number)
        if !node.isVerified, node.claims.contains(where: \.isQueued) {
            held.add(job, from: source, at: now)
        } else {
            add(job, from: source)
        }
        node.claims[index].isQueued = true
    }

    private mutating func add(_ released: [HeldVerifications.Entry]) {
        for entry in released { add(entry.job, from: entry.source) }
    }

    private mutating func add(_ job: VerificationJob, from source: IPAddress?) {
        if queue.count >= nextSweep {
            queue.keep { [nodes] job in nodes[job.key]?.claims.contains { $0.number == job.number } == true }
            nextSweep = max(Self.maximumNodes, 2 * queue.count)
        }
        queue.add(job, from: neighbours.contains(job.endpoint.address) ? nil : source)
    }

    /// Moves a claim to the node that answered there; other claims about that address stay.
    private mutating func move(
        _ job: VerificationJob, to newKey: NodeKey, _ verified: VerificationResult, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        guard var old = nodes[job.key], let index = old.claims.firstIndex(where: { $0.number == job.number }) else {
            return []
        }
        var claim = old.claims.remove(at: index)
        nodes[job.key] = old.claims.isEmpty ? nil : old
        if old.claims.isEmpty { order.removeAll { $0 == job.key } }
        if nodes[newKey] == nil { order.append(newKey) }
        var node = nodes[newKey] ?? CatalogueNode()
        node.origins.formUnion(old.origins)
        node.name = node.name ?? old.name
        claim.verified = verified
        claim.isQueued = false
        if let index = node.claims.firstIndex(where: { $0.endpoint.fits(claim.endpoint) }) {
            node.claims[index].verified = verified
        } else if node.makeRoom(forOwn: true) {
            node.claims.append(claim)
        }
        if let checkInterval { node.nextCheck = now + checkInterval }
        nodes[newKey] = node
        return report(newKey)
    }

    /// Forgets the oldest node that never answered, when the catalogue is full.
    /// - Returns: whether there is room for a node.
    private mutating func makeRoom() -> Bool {
        guard nodes.count >= Self.maximumNodes else { return true }
        guard let index = order.firstIndex(where: { nodes[$0]?.reported == nil }) else { return false }
        nodes[order.remove(at: index)] = nil
        return true
    }

    /// The events that bring the last report of a node up to date.
    private mutating func report(_ key: NodeKey) -> [FinderEvent] {
        guard let node = nodes[key] else { return [] }
        let now = found(key, node)
        guard now != node.reported else { return [] }
        nodes[key]?.reported = now
        switch (node.reported, now) {
        case (nil, let new?): return [.found(new)]
        case (let old?, nil): return [.lost(old)]
        case (let old?, let new?): return old.isLike(new) ? [] : [.updated(new)]
        case (nil, nil): return []
        }
    }

    private func found(_ key: NodeKey, _ node: CatalogueNode) -> FoundNode? {
        let verified = node.claims.compactMap { claim in claim.verified.map { (endpoint: claim.endpoint, verified: $0) }
        }
        .sorted { $0.verified.roundTrip < $1.verified.roundTrip }
        guard let best = verified.first else { return nil }
        let identity =
            switch key {
            case .id(let id): id.description
            case .address(let address): address.description
            }
        return FoundNode(
            key: identity, name: best.verified.name ?? node.name ?? best.endpoint.address.description,
            address: show(best.endpoint), addresses: verified.map { show($0.endpoint) }.withoutRepetition,
            synthesisPort: best.verified.synthesisPort,
            httpPort: best.verified.httpPort, origins: node.origins.sorted(),
            roundTripMilliseconds: best.verified.roundTrip.seconds * 1000, status: best.verified.status)
    }

    private func show(_ endpoint: NodeEndpoint) -> String {
        let interface = interfaceNames[endpoint.interface] ?? String(endpoint.interface)
        return "\(ScopedAddress(endpoint.address, on: interface))"
    }
}

extension [String] {
    /// The elements in order, each once.
    fileprivate var withoutRepetition: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}

extension FoundNode {
    /// Whether both show a user the same. The round trip, and which address is the fastest, change all the time and do
    /// not count.
    fileprivate func isLike(_ other: FoundNode) -> Bool {
        name == other.name && Set(addresses) == Set(other.addresses) && synthesisPort == other.synthesisPort
            && origins == other.origins && status == other.status
    }
}
