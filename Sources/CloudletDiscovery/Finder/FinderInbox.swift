import CloudletCore
import Synchronization

/// Where everything a search hears comes together: turns messages into sightings, lets each through once in a while,
/// bounds what one source can claim, and counts what may explain a search without result.
final class FinderInbox: Sendable {
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
    }

    private struct State {
        var observations = Observations()
        var mdns = MDNSSightings()
        var claims: [IPAddress: Set<NodeSighting>] = [:]
        var asked: Set<DNSQuestion> = []
        var windowEnd = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let output: AsyncStream<FinderInput>.Continuation

    init(output: AsyncStream<FinderInput>.Continuation) { self.output = output }

    /// What was seen so far.
    var observations: Observations { state.withLock { $0.observations } }

    /// Takes an SSDP message.
    func take(_ message: SSDPMessage, from source: IPAddress, on interface: NetworkInterface) {
        state.withLock { state in
            if message.startLine != .search { Self.add(source, to: &state.observations.ssdpHosts) }
            guard let sighting = SSDPSightings.sighting(message, from: source, on: interface) else { return }
            pass([sighting], from: source, &state)
        }
    }

    /// Takes an mDNS message.
    /// - Returns: questions to ask the sender.
    func take(_ message: DNSMessage, from source: IPAddress, on interface: NetworkInterface) -> [DNSQuestion] {
        state.withLock { state in
            if message.isResponse { Self.add(source, to: &state.observations.mdnsHosts) }
            let (sightings, questions) = state.mdns.take(message, from: source, on: interface)
            pass(sightings, from: source, &state)
            return questions.filter { state.asked.count < 1024 && state.asked.insert($0).inserted }
        }
    }

    /// Notes that something was sent.
    func noteSent() { state.withLock { $0.observations.sent += 1 } }

    /// Notes that something could not be opened or sent.
    func note(failure: String) {
        state.withLock { if $0.observations.failures.count < 32 { $0.observations.failures.insert(failure) } }
    }

    private func pass(_ sightings: [NodeSighting], from source: IPAddress, _ state: inout State) {
        let now = ContinuousClock.now
        if state.windowEnd <= now {
            state.claims = [:]
            state.asked = []
            state.windowEnd = now + Self.window
        }
        for sighting in sightings {
            guard state.claims[source] != nil || state.claims.count < Self.maximumSources,
                state.claims[source, default: []].count < Self.maximumPerSource
            else {
                state.observations.wasFlooded = true
                return
            }
            if state.claims[source, default: []].insert(sighting).inserted { output.yield(.sighting(sighting)) }
        }
    }

    private static func add(_ source: IPAddress, to hosts: inout Set<IPAddress>) {
        if hosts.count < 4096 { hosts.insert(source) }
    }
}

/// What the finder's loop waits for.
enum FinderInput: Sendable {
    case sighting(NodeSighting)
    case verified(NodeCatalogue.Job, Result<NodeVerifier.Proof, CloudletError>)
    case tick
    /// All searches of a search that is not endless have been sent.
    case asked
    case interfaces([NetworkInterface])
}
