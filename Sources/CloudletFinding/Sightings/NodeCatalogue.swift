import CloudletCore
import CloudletDiscovery
import CloudletNetwork

/// Merges sightings into nodes, one a node id whatever the protocols, address families and interfaces, and decides what
/// is to be verified when. Does no I/O and knows no clock: it is told what happened and when, and says what to do and
/// what to report. Bounded in size: when it is full, what has never answered makes room.
struct NodeCatalogue: Sendable {
    /// Most nodes remembered, genuine or invented.
    static let maximumNodes = 4096
    /// Most places verified of one node that others claim: what one host may say of itself by mDNS.
    static let maximumPlaces = MDNSSightings.maximumAddresses
    /// So many more that it claims itself.
    static let maximumOwnPlaces = 8
    /// Most verifications at once.
    static let maximumActive = 128
    /// So many more of hosts that are known to be there: those that are not keep their places until they are given up.
    static let trustedPlaces = 64

    /// What makes a node: its id, or for those without one its address.
    enum Key: Hashable, Sendable {
        case id(NodeID)
        case place(IPAddress)
    }

    /// A verification to be made.
    struct Job: Hashable, Sendable {
        let key: Key
        let place: NodePlace
        /// Tells the places of a node apart, whatever becomes known of them meanwhile.
        var number = 0
    }

    private struct CandidateEndpoint: Sendable {
        var place: NodePlace
        let number: Int
        /// Whether the host there has said so itself.
        var isOwn: Bool
        var proof: VerificationResult?
        var isQueued = false
        var failures = 0
        var reason: String?
    }

    private struct Node: Sendable {
        var origins: Set<DiscoveryOrigin> = []
        var name: String?
        var spots: [CandidateEndpoint] = []
        var reported: FoundNode?
        var nextCheck: ContinuousClock.Instant?
        /// Whether one of its places has been verified.
        var isProven: Bool { spots.contains { $0.proof != nil } }

        /// Makes room for a further place, where there is none in place of one that did not answer.
        /// `isOwn` says whether the host of that place itself claims it: what others claim never keeps that out.
        mutating func makeRoom(forOwn isOwn: Bool) -> Bool {
            let most = NodeCatalogue.maximumPlaces + (isOwn ? NodeCatalogue.maximumOwnPlaces : 0)
            if spots.count < most { return true }
            let doubtful = spots.indices.filter { spots[$0].proof == nil }
            let idle = doubtful.filter { !spots[$0].isQueued }.max { spots[$0].failures < spots[$1].failures }
            guard let index = idle ?? (isOwn ? doubtful.first : nil) else { return false }
            spots.remove(at: index)
            return true
        }
    }

    private var nodes: [Key: Node] = [:]
    private var order: [Key] = []
    private var queue = VerificationQueue()
    /// With so many jobs those of nodes that were forgotten are dropped: a flood without end makes and displaces them.
    private var nextSweep = Self.maximumNodes
    private var active = 0
    /// Further addresses of nodes of which one is being verified: that one is given a moment's lead.
    private var held: [Held] = []
    private static let lead = Duration.milliseconds(20)
    /// The lead of addresses on the link before those on other networks.
    private static let longLead = Duration.milliseconds(250)
    /// What hosts are asked that others have named: nobody must be able to have one asked all the time.
    private var thirdParties = Self.thirdPartyBudget
    private var nextNumber = 1
    /// Addresses behind which there is a host, as far as the machine itself knows.
    private var neighbours: Set<IPAddress> = []
    private let checkInterval: Duration?
    /// Names of interfaces, for link-local addresses.
    var interfaceNames: [Int32: String]

    private struct Held: Sendable {
        let until: ContinuousClock.Instant
        let job: Job
        let source: IPAddress?
    }

    /// Looks after what hosts say that they are in place of what was announced: one that says something else each time
    /// must not be asked for ever.
    private var namesakes = Self.namesakeBudget

    private static var namesakeBudget: ReplyBudget {
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

    /// An empty catalogue.
    /// `checkInterval` says how often a node that was found is verified again; `nil` for never.
    init(checkInterval: Duration? = nil, interfaceNames: [Int32: String] = [:]) {
        self.checkInterval = checkInterval
        self.interfaceNames = interfaceNames
    }

    /// Whether more is claimed than can be verified at once.
    var isCrowded: Bool { queue.count > Self.maximumActive }
    /// How many verifications wait for their turn.
    var waiting: Int { queue.count }
    /// Whether nothing is being verified.
    var isIdle: Bool { active == 0 && queue.isEmpty && held.isEmpty }
    /// Whether a node has been found.
    var hasFound: Bool { nodes.values.contains { $0.reported != nil } }
    /// The nodes found.
    var found: [FoundNode] { nodes.values.compactMap(\.reported) }
    /// What was announced as a node and did not prove to be one.
    var unverified: [UnverifiedNode] {
        nodes.values.filter { $0.reported == nil }.flatMap { node in
            node.spots.compactMap { spot in
                (spot.reason ?? (spot.isQueued ? "it did not answer in time" : nil)).map {
                    UnverifiedNode(
                        address: spot.place.address.description, name: node.name, reason: $0, origins: node.origins)
                }
            }
        }
    }
    /// When `tick` has something to do.
    var nextTick: ContinuousClock.Instant? {
        let check =
            checkInterval == nil ? nil : nodes.values.compactMap { $0.reported == nil ? nil : $0.nextCheck }.min()
        return [check, held.map(\.until).min()].compactMap(\.self).min()
    }

    /// Takes in a sighting.
    mutating func take(_ sighting: Candidate, at now: ContinuousClock.Instant) -> [FinderEvent] {
        if sighting.isGoodbye {
            // Anybody can say goodbye for anybody: it is a reason to look, not to believe.
            if let id = sighting.id, nodes[.id(id)]?.reported != nil {
                nodes[.id(id)]?.nextCheck = now + .milliseconds(300)
            }
            return []
        }
        guard let place = sighting.place else { return [] }
        let key = sighting.id.map { Key.id($0) } ?? .place(place.address)
        if nodes[key] == nil {
            guard makeRoom() else { return [] }
            nodes[key] = Node()
            order.append(key)
        }
        guard var node = nodes[key] else { return [] }
        let isNewOrigin = node.origins.insert(sighting.origin).inserted
        node.name = sighting.name ?? node.name
        // What others say of a place never changes what the host there says itself: other ports are another place.
        if let index = node.spots.firstIndex(where: { $0.place.fits(place) }) {
            node.spots[index].place = node.spots[index].place.merged(with: place)
            node.spots[index].isOwn = node.spots[index].isOwn || sighting.isOwn
            if node.spots[index].proof == nil || node.spots[index].failures > 0 {
                enqueue(key, &node, index, from: sighting.source, at: now)
            }
        } else if !(place.isRouted && node.isProven), node.makeRoom(forOwn: sighting.isOwn) {
            node.spots.append(CandidateEndpoint(place: place, number: nextNumber, isOwn: sighting.isOwn))
            nextNumber += 1
            enqueue(key, &node, node.spots.count - 1, from: sighting.source, at: now)
        }
        nodes[key] = node
        return isNewOrigin ? report(key) : []
    }

    /// The verifications to start now; of those that are in doubt only a short time should be made use of while many
    /// wait.
    mutating func takeJobs() -> [(job: Job, isInDoubt: Bool)] {
        var jobs: [(job: Job, isInDoubt: Bool)] = []
        while active < Self.maximumActive + (queue.isNextTrusted ? Self.trustedPlaces : 0), let next = queue.next() {
            active += 1
            jobs.append((next.job, isCrowded && !next.isTrusted))
        }
        return jobs
    }

    /// Takes note of addresses behind which there is a host, as the machine itself knows: claims that lead there are
    /// verified before all others.
    mutating func trust(_ addresses: Set<IPAddress>) {
        neighbours = addresses
        queue.prefer { addresses.contains($0.place.address) }
    }

    /// Takes in how a verification ended.
    mutating func finish(
        _ job: Job, _ result: Result<VerificationResult, CloudletError>, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        active -= 1
        if case .success = result { dropRouted(of: job.key) }
        release { $0.job.key == job.key && !$0.job.place.isRouted }
        guard var node = nodes[job.key], let index = node.spots.firstIndex(where: { $0.number == job.number }) else {
            return []
        }
        node.spots[index].isQueued = false
        switch result {
        case .success(let proof):
            // Evidence without id turns out to be about a node that has one.
            if case .place = job.key, let id = proof.id { return move(job, to: .id(id), proof, at: now) }
            node.spots[index].proof = proof
            node.spots[index].failures = 0
            node.spots[index].reason = nil
        case .failure(let error):
            node.spots[index].failures += 1
            node.spots[index].reason = error.description
            // One lost packet does not make a node disappear.
            if node.spots[index].proof != nil, node.spots[index].failures < 2 {
                nodes[job.key] = node
                enqueue(job.key, &node, index, at: now)
            } else {
                node.spots[index].proof = nil
            }
        }
        if let checkInterval { node.nextCheck = now + checkInterval }
        nodes[job.key] = node
        return report(job.key)
    }

    /// Takes in that another node than was announced has said at a place who it is. Who announces in its name keeps it from
    /// being heard, but leads to it all the same.
    mutating func take(_ other: VerificationResult, insteadOf job: Job, at now: ContinuousClock.Instant)
        -> [FinderEvent]
    {
        guard let id = other.id, nodes[.id(id)]?.isProven != true, let announced = nodes[job.key],
            namesakes.allow(1, to: job.place.address, at: now)
        else { return [] }
        var place = job.place
        (place.synthesisPort, place.descriptionPath) = (other.synthesisPort, nil)
        return announced.origins.sorted().flatMap { origin in
            take(
                Candidate(origin: origin, id: id, name: other.name, place: place, source: place.address), at: now)
        }
    }

    /// Looks again after the nodes whose time has come.
    mutating func tick(at now: ContinuousClock.Instant) {
        release { $0.until <= now }
        guard checkInterval != nil else { return }
        for (key, found) in nodes {
            guard let next = found.nextCheck, next <= now, found.reported != nil else { continue }
            var node = found
            node.nextCheck = checkInterval.map { now + $0 }
            for index in node.spots.indices where node.spots[index].proof != nil {
                enqueue(key, &node, index, at: now)
            }
            nodes[key] = node
        }
    }

    private mutating func release(_ condition: (Held) -> Bool) {
        guard held.contains(where: condition) else { return }
        let released = held.filter(condition)
        held.removeAll(where: condition)
        for entry in released { add(entry.job, from: entry.source) }
    }

    /// Leaves hosts on other networks in peace that a node need not be looked for at any more.
    private mutating func dropRouted(of key: Key) {
        let dropped = held.filter { $0.job.key == key && $0.job.place.isRouted }.map(\.job.number)
        guard !dropped.isEmpty else { return }
        held.removeAll { dropped.contains($0.job.number) }
        nodes[key]?.spots.removeAll { dropped.contains($0.number) }
    }

    /// Plans a verification. `source` is who claims that there is a node; `nil` for what is known from elsewhere.
    private mutating func enqueue(
        _ key: Key, _ node: inout Node, _ index: Int, from source: IPAddress? = nil, at now: ContinuousClock.Instant
    ) {
        let spot = node.spots[index]
        guard !spot.isQueued else { return }
        if !spot.isOwn, spot.proof == nil, !thirdParties.allow(1, to: spot.place.address, at: now) { return }
        let job = Job(key: key, place: spot.place, number: spot.number)
        if !node.isProven, node.spots.contains(where: \.isQueued) {
            held.append(Held(until: now + (spot.place.isRouted ? Self.longLead : Self.lead), job: job, source: source))
        } else {
            add(job, from: source)
        }
        node.spots[index].isQueued = true
    }

    private mutating func add(_ job: Job, from source: IPAddress?) {
        if queue.count >= nextSweep {
            queue.keep { [nodes] job in nodes[job.key]?.spots.contains { $0.number == job.number } == true }
            nextSweep = max(Self.maximumNodes, 2 * queue.count)
        }
        queue.add(job, from: neighbours.contains(job.place.address) ? nil : source)
    }

    /// Moves a place to the node that was found there; what else is claimed of that address stays.
    private mutating func move(
        _ job: Job, to newKey: Key, _ proof: VerificationResult, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        guard var old = nodes[job.key], let place = old.spots.firstIndex(where: { $0.number == job.number }) else {
            return []
        }
        var spot = old.spots.remove(at: place)
        nodes[job.key] = old.spots.isEmpty ? nil : old
        if old.spots.isEmpty { order.removeAll { $0 == job.key } }
        if nodes[newKey] == nil { order.append(newKey) }
        var node = nodes[newKey] ?? Node()
        node.origins.formUnion(old.origins)
        node.name = node.name ?? old.name
        spot.proof = proof
        spot.isQueued = false
        if let index = node.spots.firstIndex(where: { $0.place.fits(spot.place) }) {
            node.spots[index].proof = proof
        } else if node.makeRoom(forOwn: true) {
            node.spots.append(spot)
        }
        if let checkInterval { node.nextCheck = now + checkInterval }
        nodes[newKey] = node
        return report(newKey)
    }

    /// Forgets the oldest node that never answered, when the catalogue is full.
    private mutating func makeRoom() -> Bool {
        guard nodes.count >= Self.maximumNodes else { return true }
        guard let index = order.firstIndex(where: { nodes[$0]?.reported == nil }) else { return false }
        nodes[order.remove(at: index)] = nil
        return true
    }

    /// What changed about a node since it was last reported.
    private mutating func report(_ key: Key) -> [FinderEvent] {
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

    private func found(_ key: Key, _ node: Node) -> FoundNode? {
        let proven = node.spots.compactMap { spot in spot.proof.map { (place: spot.place, proof: $0) } }
            .sorted { $0.proof.roundTrip < $1.proof.roundTrip }
        guard let best = proven.first else { return nil }
        let identity =
            switch key {
            case .id(let id): id.description
            case .place(let address): address.description
            }
        return FoundNode(
            key: identity, name: best.proof.name ?? node.name ?? best.place.address.description,
            address: show(best.place), addresses: proven.map { show($0.place) }.withoutRepetition,
            synthesisPort: best.proof.synthesisPort,
            httpPort: best.proof.httpPort, origins: node.origins.sorted(),
            roundTripMilliseconds: best.proof.roundTrip.seconds * 1000, status: best.proof.status)
    }

    private func show(_ place: NodePlace) -> String {
        guard place.address.isLinkLocal, !place.address.isV4 else { return place.address.description }
        return "\(place.address)%\(interfaceNames[place.interface] ?? String(place.interface))"
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
    /// Whether nothing a user cares about differs: the round trip, and which of its addresses is the fastest, always
    /// do.
    fileprivate func isLike(_ other: FoundNode) -> Bool {
        name == other.name && Set(addresses) == Set(other.addresses) && synthesisPort == other.synthesisPort
            && origins == other.origins && status == other.status
    }
}
