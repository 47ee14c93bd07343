import CloudletCore

/// Merges sightings into nodes, one a node id whatever the protocols, address families and interfaces, and decides what
/// is to be verified when. Does no I/O and knows no clock: it is told what happened and when, and says what to do and
/// what to report. Bounded in size: when it is full, what has never answered makes room.
struct NodeCatalogue: Sendable {
    /// Most nodes remembered, genuine or invented.
    static let maximumNodes = 4096
    /// Most places verified of one node.
    static let maximumPlaces = 4
    /// Most verifications at once.
    static let maximumActive = 64

    /// What makes a node: its id, or for those without one its address.
    enum Key: Hashable, Sendable {
        case id(NodeID)
        case place(IPAddress)
    }

    /// A verification to be made.
    struct Job: Hashable, Sendable {
        let key: Key
        let place: NodePlace
    }

    private struct Spot: Sendable {
        var place: NodePlace
        var proof: NodeVerifier.Proof?
        var isQueued = false
        var failures = 0
        var reason: String?
    }

    private struct Node: Sendable {
        var origins: Set<DiscoveryOrigin> = []
        var name: String?
        var spots: [Spot] = []
        var reported: FoundNode?
        var nextCheck: ContinuousClock.Instant?
    }

    private var nodes: [Key: Node] = [:]
    private var order: [Key] = []
    private var queue: [Job] = []
    private var active = 0
    private let checkInterval: Duration?
    /// Names of interfaces, for link-local addresses.
    var interfaceNames: [Int32: String]

    /// An empty catalogue.
    /// `checkInterval` says how often a node that was found is verified again; `nil` for never.
    init(checkInterval: Duration? = nil, interfaceNames: [Int32: String] = [:]) {
        self.checkInterval = checkInterval
        self.interfaceNames = interfaceNames
    }

    /// Whether nothing is being verified.
    var isIdle: Bool { active == 0 && queue.isEmpty }
    /// Whether a node has been found.
    var hasFound: Bool { nodes.values.contains { $0.reported != nil } }
    /// The nodes found.
    var found: [FoundNode] { nodes.values.compactMap(\.reported) }
    /// Addresses that were announced as nodes and did not prove to be, with the reason.
    var refuted: [(address: IPAddress, reason: String)] {
        nodes.values.filter { $0.reported == nil }.flatMap(\.spots).compactMap { spot in
            (spot.reason ?? (spot.isQueued ? "it did not answer in time" : nil)).map { (spot.place.address, $0) }
        }
    }

    /// Takes in a sighting.
    mutating func take(_ sighting: NodeSighting, at now: ContinuousClock.Instant) -> [FinderEvent] {
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
        if let index = node.spots.firstIndex(where: { $0.place.isSameHost(as: place) }) {
            let merged = node.spots[index].place.merged(with: place)
            let mayHelp = merged != node.spots[index].place && node.spots[index].proof == nil
            node.spots[index].place = merged
            if mayHelp || node.spots[index].failures > 0 { enqueue(key, &node, index) }
        } else if node.spots.count < Self.maximumPlaces {
            node.spots.append(Spot(place: place))
            enqueue(key, &node, node.spots.count - 1)
        }
        nodes[key] = node
        return isNewOrigin ? report(key) : []
    }

    /// The verifications to start now.
    mutating func takeJobs() -> [Job] {
        let count = min(queue.count, Self.maximumActive - active)
        guard count > 0 else { return [] }
        defer { queue.removeFirst(count) }
        active += count
        return Array(queue.prefix(count))
    }

    /// Takes in how a verification ended.
    mutating func finish(
        _ job: Job, _ result: Result<NodeVerifier.Proof, CloudletError>, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        active -= 1
        guard var node = nodes[job.key],
            let index = node.spots.firstIndex(where: { $0.place.isSameHost(as: job.place) })
        else { return [] }
        node.spots[index].isQueued = false
        switch result {
        case .success(let proof):
            // Evidence without id turns out to be about a node that has one.
            if case .place = job.key, let id = proof.id { return move(job.key, to: .id(id), proof, at: now) }
            node.spots[index].proof = proof
            node.spots[index].failures = 0
            node.spots[index].reason = nil
        case .failure(let error):
            node.spots[index].failures += 1
            node.spots[index].reason = error.description
            // One lost packet does not make a node disappear.
            if node.spots[index].proof != nil, node.spots[index].failures < 2 {
                nodes[job.key] = node
                enqueue(job.key, &node, index)
            } else {
                node.spots[index].proof = nil
            }
        }
        if let checkInterval { node.nextCheck = now + checkInterval }
        nodes[job.key] = node
        return report(job.key)
    }

    /// Looks again after the nodes whose time has come.
    mutating func tick(at now: ContinuousClock.Instant) {
        for (key, found) in nodes {
            guard let next = found.nextCheck, next <= now, found.reported != nil else { continue }
            var node = found
            node.nextCheck = checkInterval.map { now + $0 }
            for index in node.spots.indices where node.spots[index].proof != nil { enqueue(key, &node, index) }
            nodes[key] = node
        }
    }

    private mutating func enqueue(_ key: Key, _ node: inout Node, _ index: Int) {
        guard !node.spots[index].isQueued else { return }
        node.spots[index].isQueued = true
        queue.append(Job(key: key, place: node.spots[index].place))
    }

    /// Moves what is known about an address to the node that was found there.
    private mutating func move(
        _ key: Key, to newKey: Key, _ proof: NodeVerifier.Proof, at now: ContinuousClock.Instant
    ) -> [FinderEvent] {
        guard let old = nodes.removeValue(forKey: key) else { return [] }
        order.removeAll { $0 == key }
        if nodes[newKey] == nil { order.append(newKey) }
        var node = nodes[newKey] ?? Node()
        node.origins.formUnion(old.origins)
        node.name = node.name ?? old.name
        for var spot in old.spots where node.spots.count < Self.maximumPlaces {
            spot.proof = proof
            spot.isQueued = false
            if let index = node.spots.firstIndex(where: { $0.place.isSameHost(as: spot.place) }) {
                node.spots[index].proof = proof
            } else {
                node.spots.append(spot)
            }
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
            address: show(best.place), addresses: proven.map { show($0.place) },
            synthesisPort: best.proof.synthesisPort,
            httpPort: best.proof.httpPort, origins: node.origins.sorted(),
            roundTripMilliseconds: best.proof.roundTrip.seconds * 1000, status: best.proof.status)
    }

    private func show(_ place: NodePlace) -> String {
        guard place.address.isLinkLocal, !place.address.isV4 else { return place.address.description }
        return "\(place.address)%\(interfaceNames[place.interface] ?? String(place.interface))"
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
