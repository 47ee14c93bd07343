import CloudletDiscovery
import CloudletNetwork

/// Where everything a search hears comes together: turns messages into sightings, lets each through once in a while,
/// bounds what one source can claim, and counts what may explain a search without result.
struct FinderInbox: Sendable {
    /// Most different claims accepted from one source in `window`.
    static let maximumPerSource = 64
    /// How long a claim is remembered, and not let through again.
    static let window = Duration.seconds(2)
    private static let maximumSources = 4096

    /// What was seen beside nodes.
    struct Observations: Sendable {
        var sent = 0
        var failures: Set<String> = []
        /// Hosts that answered or announced anything by SSDP, by mDNS.
        var ssdpHosts: Set<IPAddress> = []
        var mdnsHosts: Set<IPAddress> = []
        var wasFlooded = false
        /// Hosts that announced a node at their own address, which is of no network of this site.
        var beyond: Set<IPAddress> = []
    }

    private(set) var observations = Observations()
    /// Hosts that are there, as far as the machine itself knows: they are heard however many others are.
    var neighbours: Set<IPAddress> = []
    private var mdns = MDNSSightings()
    private var claims: [IPAddress: Set<Candidate>] = [:]
    private var asked: Set<DNSQuestion> = []
    private var windowEnd = ContinuousClock.now

    init() {}

    /// Takes a datagram that was heard by SSDP or mDNS.
    /// - Returns: what it shows that was not shown a moment ago, and questions that it leaves open.
    mutating func take(
        _ datagram: [UInt8], by origin: DiscoveryOrigin, from source: IPAddress, on interface: NetworkInterface
    ) -> (sightings: [Candidate], questions: [DNSQuestion]) {
        if origin == .ssdp {
            if let message = SSDPMessage(datagram) { return (take(message, from: source, on: interface), []) }
            Self.add(source, to: &observations.ssdpHosts)
        } else {
            if let message = try? DNSMessage(datagram) { return take(message, from: source, on: interface) }
            Self.add(source, to: &observations.mdnsHosts)
        }
        // Who sends what can't be read is there all the same.
        return ([], [])
    }

    /// Takes an SSDP message.
    /// - Returns: what it shows that was not shown a moment ago.
    mutating func take(
        _ message: SSDPMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> [Candidate] {
        if message.startLine != .search { Self.add(source, to: &observations.ssdpHosts) }
        guard let sighting = SSDPSightings.sighting(message, from: source, on: interface) else { return [] }
        return pass([sighting], from: source, on: interface)
    }

    /// Takes an mDNS message.
    /// - Returns: what it shows that was not shown a moment ago, and questions that it leaves open.
    mutating func take(
        _ message: DNSMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> (sightings: [Candidate], questions: [DNSQuestion]) {
        if message.isResponse { Self.add(source, to: &observations.mdnsHosts) }
        let (sightings, questions) = mdns.take(message, from: source, on: interface)
        let passed = pass(sightings, from: source, on: interface)
        return (passed, questions.filter { asked.count < 1024 && asked.insert($0).inserted })
    }

    /// Notes that something was sent, or why it could not be.
    mutating func noteSent(_ failure: String?) {
        if let failure { note(failure: failure) } else { observations.sent += 1 }
    }

    /// Notes that something could not be opened or sent.
    mutating func note(failure: String) {
        if observations.failures.count < 32 { observations.failures.insert(failure) }
    }

    private mutating func pass(
        _ sightings: [Candidate], from source: IPAddress, on interface: NetworkInterface
    ) -> [Candidate] {
        let now = ContinuousClock.now
        if windowEnd <= now {
            claims = [:]
            asked = []
            windowEnd = now + Self.window
        }
        var passed: [Candidate] = []
        for sighting in sightings {
            guard !turnsAway(source), claims[source, default: []].count < share(of: sighting) else {
                observations.wasFlooded = true
                break
            }
            guard claims[source, default: []].insert(sighting).inserted else { continue }
            if let followed = sighting.followed(from: interface) {
                passed.append(followed)
            } else if sighting.isOwn, interface.reach(of: source) == .beyond, observations.beyond.count < 8 {
                observations.beyond.insert(source)
            }
        }
        return passed
    }

    /// Whether the host is one too many.
    func turnsAway(_ source: IPAddress) -> Bool {
        claims.count >= Self.maximumSources && claims[source] == nil && !neighbours.contains(source)
    }

    /// A sender's address can be made up: whoever claims much in a host's name leaves it one claim at the usual port, as
    /// the host says itself which node it is.
    private func share(of sighting: Candidate) -> Int {
        let isUsual = sighting.isOwn && sighting.place?.httpPort == NodeRecord.defaultHTTPPort
        return Self.maximumPerSource + (isUsual ? 1 : 0)
    }

    private static func add(_ source: IPAddress, to hosts: inout Set<IPAddress>) {
        if hosts.count < 4096 { hosts.insert(source) }
    }
}
