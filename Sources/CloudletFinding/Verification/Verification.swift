// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork

/// Verifies that a node is at an endpoint: fetches its status document and, at the same time, opens a connection to its
/// synthesis port. It continues whenever one of its sockets is ready, and never blocks.
final class Verification {
    /// What to verify.
    let job: VerificationJob
    /// When the verification fails for lack of an answer, unless the search can wait longer.
    let deadline: ContinuousClock.Instant

    private let poller: Poller
    /// The poller knows the sockets by this number and the next.
    private let number: UInt64
    private var fetch: HTTPFetch?
    private var isDescription = false
    private var portProbe: (port: UInt16, attempt: TCPAttempt)?
    /// The ports that were probed, with the round trip or the reason of the failure.
    private var probedPorts: [UInt16: Result<Duration, CloudletError>] = [:]
    /// What the node says about itself; the synthesis port in it is not probed yet.
    private var statement: VerificationResult?

    /// The node that answered at the endpoint although another one was announced there.
    private(set) var other: VerificationResult?
    /// The result; `nil` while the verification runs.
    private(set) var result: Result<VerificationResult, CloudletError>?

    private var endpoint: NodeEndpoint { job.endpoint }
    private var expected: NodeID? { if case .id(let id) = job.key { id } else { nil } }

    /// Starts a verification whose sockets `poller` watches as `number` and `number + 1`.
    init(_ job: VerificationJob, deadline: ContinuousClock.Instant, poller: Poller, number: UInt64) {
        self.job = job
        self.deadline = deadline
        self.poller = poller
        self.number = number
        attempt { () throws(CloudletError) in try begin() }
    }

    /// Continues with the socket that is ready.
    func proceed(with ready: UInt64) {
        attempt { () throws(CloudletError) in
            if ready == number { try proceedFetching() } else { proceedProbing() }
            try conclude()
        }
    }

    /// Ends the verification as failed, because its deadline has passed.
    func expire() {
        guard result == nil else { return }
        end(.failure(CloudletError(.busy, "\(endpoint.address) does not answer")))
    }

    private func attempt(_ step: () throws(CloudletError) -> Void) {
        guard result == nil else { return }
        do { try step() } catch { end(.failure(error)) }
    }

    private func end(_ result: Result<VerificationResult, CloudletError>) {
        self.result = result
        fetch = nil
        portProbe = nil
    }

    private func begin() throws(CloudletError) {
        // An SSDP message does not name the synthesis port: probe the default one until the status names it.
        if let port = endpoint.synthesisPort
            ?? (endpoint.descriptionPath == nil ? nil : NodeRecord.defaultSynthesisPort)
        {
            startProbing(port)
        }
        if endpoint.httpPort != nil {
            try startFetching(UPnPPath.status)
        } else {
            try takeWithoutHTTP()
        }
        try conclude()
    }

    // MARK: - Status document

    private func startFetching(_ path: String) throws(CloudletError) {
        guard let port = endpoint.httpPort else { return }
        do {
            let fetch = try HTTPFetch(path, from: Endpoint(endpoint.address, port, on: endpoint.interface))
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

    /// Goes on without an HTTP server for a node without id: the original's node has none at a known port.
    private func fetchingFailed(_ error: CloudletError) throws(CloudletError) {
        fetch = nil
        guard error.code == .unavailable, expected == nil, endpoint.synthesisPort != nil else { throw error }
        try takeWithoutHTTP()
    }

    private func takeWithoutHTTP() throws(CloudletError) {
        guard let port = endpoint.synthesisPort else {
            throw CloudletError(.protocolViolation, "\(endpoint.address) was announced without a port")
        }
        statement = VerificationResult(synthesisPort: port, roundTrip: .seconds(60))
    }

    private func take(_ answer: HTTPAnswer) throws(CloudletError) {
        if isDescription {
            statement = try VerificationResult(description: answer, httpPort: endpoint.httpPort)
        } else if let port = endpoint.httpPort, let said = VerificationResult(status: answer, httpPort: port) {
            statement = said
        } else if let path = endpoint.descriptionPath {
            isDescription = true
            try startFetching(path)
        } else {
            throw CloudletError(.protocolViolation, "\(endpoint.address) does not serve the status document of a node")
        }
    }

    // MARK: - Synthesis port

    private func startProbing(_ port: UInt16) {
        do {
            let attempt = try TCPAttempt(to: Endpoint(endpoint.address, port, on: endpoint.interface))
            portProbe = (port, attempt)
            poller.watch(attempt.descriptor, as: number + 1, forWriting: true)
        } catch {
            probedPorts[port] = .failure(error)
        }
    }

    private func proceedProbing() {
        guard let (port, attempt) = portProbe else { return }
        do {
            try attempt.finishConnecting()
            probedPorts[port] = .success(attempt.roundTrip ?? .zero)
        } catch {
            probedPorts[port] = .failure(error)
        }
        portProbe = nil
    }

    // MARK: - Conclusion

    /// Ends the verification when the node's identity is known and its synthesis port was probed.
    private func conclude() throws(CloudletError) {
        guard result == nil, var statement else { return }
        if let expected, let actual = statement.id, expected != actual {
            if !isDescription { other = statement }
            throw CloudletError(.protocolViolation, "\(endpoint.address) is not the node that was announced")
        }
        if expected != nil, statement.id == nil {
            throw CloudletError(.protocolViolation, "\(endpoint.address) does not report its node id")
        }
        guard let roundTrip = probedPorts[statement.synthesisPort] else {
            if portProbe?.port == statement.synthesisPort { return }
            startProbing(statement.synthesisPort)
            if probedPorts[statement.synthesisPort] != nil { try conclude() }
            return
        }
        statement.roundTrip = min(try roundTrip.get(), statement.roundTrip)
        end(.success(statement))
    }
}
