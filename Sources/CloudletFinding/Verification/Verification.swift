import CloudletCore
import CloudletDiscovery
import CloudletNetwork

/// Proves by real connections that a node is where it was seen: fetches what it says of itself, and knocks at its
/// synthesis port at the same time. Goes on whenever one of its sockets is ready, and never waits.
final class Verification {
    /// What is being verified.
    let job: NodeCatalogue.Job
    /// When it is given up.
    let deadline: ContinuousClock.Instant

    private let poller: Poller
    /// The sockets are registered under this number and the next.
    private let number: UInt64
    private var fetch: HTTPFetch?
    private var isDescription = false
    private var knock: (port: UInt16, attempt: TCPAttempt)?
    /// The ports that were knocked at, with the round trip or the reason why not.
    private var knocked: [UInt16: Result<Duration, CloudletError>] = [:]
    private var proof: VerificationResult?

    /// The node that is there in place of the one that was announced.
    private(set) var other: VerificationResult?
    /// The outcome, once there is one.
    private(set) var result: Result<VerificationResult, CloudletError>?

    private var place: NodePlace { job.place }
    private var expected: NodeID? { if case .id(let id) = job.key { id } else { nil } }

    /// Starts; the sockets are watched by `poller` as `number` and `number + 1`.
    init(_ job: NodeCatalogue.Job, deadline: ContinuousClock.Instant, poller: Poller, number: UInt64) {
        self.job = job
        self.deadline = deadline
        self.poller = poller
        self.number = number
        attempt { () throws(CloudletError) in try begin() }
    }

    /// Goes on with the socket that is ready.
    func proceed(with ready: UInt64) {
        attempt { () throws(CloudletError) in
            if ready == number { try proceedFetching() } else { proceedKnocking() }
            try conclude()
        }
    }

    /// Gives up.
    func expire() {
        guard result == nil else { return }
        end(.failure(CloudletError(.busy, "\(place.address) does not answer")))
    }

    private func attempt(_ step: () throws(CloudletError) -> Void) {
        guard result == nil else { return }
        do { try step() } catch { end(.failure(error)) }
    }

    private func end(_ result: Result<VerificationResult, CloudletError>) {
        self.result = result
        fetch = nil
        knock = nil
    }

    private func begin() throws(CloudletError) {
        // SSDP does not tell the synthesis port before the description does; the usual one is a good guess.
        if let port = place.synthesisPort ?? (place.descriptionPath == nil ? nil : NodeRecord.defaultSynthesisPort) {
            startKnocking(at: port)
        }
        if place.httpPort != nil {
            try startFetching(UPnPPath.status)
        } else {
            try takeWithoutHTTP()
        }
        try conclude()
    }

    // MARK: - What the node says

    private func startFetching(_ path: String) throws(CloudletError) {
        guard let port = place.httpPort else { return }
        do {
            let fetch = try HTTPFetch(path, from: Peer(place.address, port, on: place.interface))
            self.fetch = fetch
            poller.watch(fetch.connection.descriptor, as: number, forWriting: true)
        } catch {
            try fetchingFailed(error)
        }
    }

    private func proceedFetching() throws(CloudletError) {
        guard let fetch else { return }
        do {
            guard let answer = try fetch.proceed() else {
                if !fetch.isSending { poller.watch(fetch.connection.descriptor, as: number) }
                return
            }
            self.fetch = nil
            try take(answer)
        } catch {
            try fetchingFailed(error)
        }
    }

    /// The original's node has no HTTP server that could be guessed.
    private func fetchingFailed(_ error: CloudletError) throws(CloudletError) {
        fetch = nil
        guard error.code == .unavailable, expected == nil, place.synthesisPort != nil else { throw error }
        try takeWithoutHTTP()
    }

    private func takeWithoutHTTP() throws(CloudletError) {
        guard let port = place.synthesisPort else {
            throw CloudletError(.protocolViolation, "\(place.address) was announced without a port")
        }
        proof = VerificationResult(synthesisPort: port, roundTrip: .seconds(60))
    }

    private func take(_ answer: HTTPAnswer) throws(CloudletError) {
        if isDescription {
            proof = try VerificationResult(description: answer, httpPort: place.httpPort)
        } else if let port = place.httpPort, let said = VerificationResult(status: answer, httpPort: port) {
            proof = said
        } else if let path = place.descriptionPath {
            isDescription = true
            try startFetching(path)
        } else {
            throw CloudletError(.protocolViolation, "\(place.address) has no status of a node")
        }
    }

    // MARK: - Its synthesis port

    private func startKnocking(at port: UInt16) {
        do {
            let attempt = try TCPAttempt(to: Peer(place.address, port, on: place.interface))
            knock = (port, attempt)
            poller.watch(attempt.descriptor, as: number + 1, forWriting: true)
        } catch {
            knocked[port] = .failure(error)
        }
    }

    private func proceedKnocking() {
        guard let (port, attempt) = knock else { return }
        do {
            try attempt.finishConnecting()
            knocked[port] = .success(attempt.roundTrip ?? .zero)
        } catch {
            knocked[port] = .failure(error)
        }
        knock = nil
    }

    // MARK: - The end

    /// Ends when the node has said who it is and its port is known to be open.
    private func conclude() throws(CloudletError) {
        guard result == nil, var proof else { return }
        if let expected, let actual = proof.id, expected != actual {
            if !isDescription { other = proof }
            throw CloudletError(.protocolViolation, "\(place.address) is another node than it was announced as")
        }
        if expected != nil, proof.id == nil {
            throw CloudletError(.protocolViolation, "\(place.address) does not say who it is")
        }
        guard let roundTrip = knocked[proof.synthesisPort] else {
            if knock?.port == proof.synthesisPort { return }
            startKnocking(at: proof.synthesisPort)
            if knocked[proof.synthesisPort] != nil { try conclude() }
            return
        }
        proof.roundTrip = min(try roundTrip.get(), proof.roundTrip)
        end(.success(proof))
    }
}
