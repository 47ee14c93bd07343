// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// Receives every datagram of a search: turns messages into candidates, drops repetitions, bounds what one source can
/// claim, and counts what may explain a search without result.
struct FinderInbox: Sendable {
    /// The largest number of different claims accepted from one source in a `window`.
    static let maximumPerSource = 64
    /// How long repetitions of a claim are dropped.
    static let window = Duration.seconds(2)
    private static let maximumSources = 4096

    /// What the search saw beside nodes.
    struct Observations: Sendable {
        var sent = 0
        var failures: Set<String> = []
        /// Hosts that answered or announced anything by SSDP, and by mDNS.
        var ssdpHosts: Set<IPAddress> = []
        var mdnsHosts: Set<IPAddress> = []
        var wasFlooded = false
        /// Hosts that announced a node at their own address, which is beyond this site.
        var beyond: Set<IPAddress> = []
    }

    private(set) var observations = Observations()
    /// Hosts in the machine's neighbour table: their claims are accepted however many other sources there are.
    var neighbours: Set<IPAddress> = []
    private var mdns = MDNSCandidates()
    private var claims: [IPAddress: Set<Candidate>] = [:]
    private var asked: Set<DNSQuestion> = []
    private var windowEnd = ContinuousClock.now

    init() {}

    /// Adds a datagram received by SSDP or mDNS.
    /// - Returns: the candidates that are no repetition, and the questions to ask next.
    mutating func take(
        _ datagram: [UInt8], by origin: DiscoveryOrigin, from source: IPAddress, on interface: NetworkInterface
    ) -> (candidates: [Candidate], questions: [DNSQuestion]) {
        if origin == .ssdp {
            if let message = SSDPMessage(datagram) { return (take(message, from: source, on: interface), []) }
            Self.add(source, to: &observations.ssdpHosts)
        } else {
            if let message = try? DNSMessage(datagram) { return take(message, from: source, on: interface) }
            Self.add(source, to: &observations.mdnsHosts)
        }
        // A host that sends invalid messages still counts as one that answers.
        return ([], [])
    }

    /// Adds an SSDP message.
    /// - Returns: the candidates that are no repetition.
    mutating func take(
        _ message: SSDPMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> [Candidate] {
        if message.startLine != .search { Self.add(source, to: &observations.ssdpHosts) }
        guard let candidate = SSDPCandidates.candidate(message, from: source, on: interface) else { return [] }
        return pass([candidate], from: source, on: interface)
    }

    /// Adds an mDNS message.
    /// - Returns: the candidates that are no repetition, and the questions to ask next.
    mutating func take(
        _ message: DNSMessage, from source: IPAddress, on interface: NetworkInterface
    ) -> (candidates: [Candidate], questions: [DNSQuestion]) {
        if message.isResponse { Self.add(source, to: &observations.mdnsHosts) }
        let (candidates, questions) = mdns.take(message, from: source, on: interface)
        let passed = pass(candidates, from: source, on: interface)
        return (passed, questions.filter { asked.count < 1024 && asked.insert($0).inserted })
    }

    /// Counts a question that was sent, or notes why it was not.
    mutating func noteSent(_ failure: String?) {
        if let failure { note(failure: failure) } else { observations.sent += 1 }
    }

    /// Notes why a socket could not be opened or a question not be sent.
    mutating func note(failure: String) {
        if observations.failures.count < 32 { observations.failures.insert(failure) }
    }

    private mutating func pass(
        _ candidates: [Candidate], from source: IPAddress, on interface: NetworkInterface
    ) -> [Candidate] {
        let now = ContinuousClock.now
        if windowEnd <= now {
            claims = [:]
            asked = []
            windowEnd = now + Self.window
        }
        var passed: [Candidate] = []
        for candidate in candidates {
            guard !turnsAway(source), claims[source, default: []].count < share(of: candidate) else {
                observations.wasFlooded = true
                break
            }
            guard claims[source, default: []].insert(candidate).inserted else { continue }
            if let followed = candidate.followed(from: interface) {
                passed.append(followed)
            } else if candidate.isOwn, interface.reach(of: source) == .beyond, observations.beyond.count < 8 {
                observations.beyond.insert(source)
            }
        }
        return passed
    }

    /// Whether claims of the host are dropped because there are too many sources.
    func turnsAway(_ source: IPAddress) -> Bool {
        claims.count >= Self.maximumSources && claims[source] == nil && !neighbours.contains(source)
    }

    /// The number of claims accepted from the candidate's source. Source addresses can be forged: a forger who uses up a
    /// host's share leaves it one claim at the default port, where the host itself says which node it is.
    private func share(of candidate: Candidate) -> Int {
        let isUsual = candidate.isOwn && candidate.endpoint?.httpPort == NodeRecord.defaultHTTPPort
        return Self.maximumPerSource + (isUsual ? 1 : 0)
    }

    private static func add(_ source: IPAddress, to hosts: inout Set<IPAddress>) {
        if hosts.count < 4096 { hosts.insert(source) }
    }
}
