// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// A search, run by one thread: it asks, receives, verifies and reports, and sleeps until a socket is ready or a deadline
/// has come.
final class FinderLoop {
    private let options: FinderOptions
    private let poller: Poller
    private let results: SearchResults
    private let report: (FinderEvent) -> Void
    private let memory: KnownNodes?

    private var interfaces: [NetworkInterface]
    private var sockets: FinderSockets
    private var inbox: FinderInbox
    private var catalogue: NodeCatalogue
    private var timetable: FinderTimetable
    private var settling: FinderSettling
    private var verifications: [UInt64: Verification] = [:]
    private var nextNumber = firstVerification
    private var nextNeighbours = ContinuousClock.now
    private var nextMemory: ContinuousClock.Instant?
    private var buffer = [UInt8](repeating: 0, count: 9000)

    private static let networkNumber: UInt64 = 0
    private static let firstVerification: UInt64 = 1 << 32
    /// The timeout of a verification that is in doubt, while many are queued.
    private static let shortTimeout = Duration.milliseconds(400)

    /// Creates a search that continues what `opening` has begun.
    init(
        _ opening: FinderOpening, options: FinderOptions, poller: Poller, results: SearchResults,
        report: @escaping (FinderEvent) -> Void
    ) {
        self.options = options
        interfaces = opening.interfaces
        sockets = FinderSockets(opening.sockets)
        inbox = opening.inbox
        timetable = opening.timetable
        self.poller = poller
        self.results = results
        self.report = report
        memory = options.stateDirectory.map { KnownNodes(in: $0) }
        catalogue = NodeCatalogue(
            checkInterval: options.isWatching ? options.checkInterval : nil,
            interfaceNames: Self.names(of: interfaces))
        settling = FinderSettling(start: .now, timeout: options.isWatching ? nil : options.timeout)
    }

    /// Runs until the search is over or `isStopped` returns `true`.
    /// - Parameters:
    ///   - given: hosts to ask without a search.
    ///   - searches: whether to search at all.
    ///   - isStopped: called whenever the poller wakes up.
    func run(_ given: [Candidate], searches: Bool, until isStopped: () -> Bool) {
        let changes = options.isWatching ? try? Netlink.Changes() : nil
        if let changes { poller.watch(changes.descriptor, as: Self.networkNumber) }
        watchSockets()
        VerificationResult.warmUp()
        var events: [FinderEvent] = []
        let known = options.asksKnown ? memory?.candidates(on: interfaces) ?? [] : []
        for candidate in given + known { events += catalogue.take(candidate, at: .now) }
        while true {
            publish(events)
            let early = startVerifying()
            publish(early)
            events += early
            let now = ContinuousClock.now
            settling.note(
                hasNews: !events.isEmpty, isAsked: timetable.isThrough || !searches, isIdle: catalogue.isIdle,
                hasFound: catalogue.hasFound, at: now)
            if isStopped() || settling.next.map({ $0 <= now }) == true { break }
            events = []
            // Open connections come first, new claims last.
            for ready in poller.wait(until: nextTime(searches)).sorted(by: { $0.number > $1.number }) {
                if ready.number == Self.networkNumber {
                    followNetwork(changes)
                } else if ready.number >= Self.firstVerification {
                    let number = ready.number & ~1
                    verifications[number]?.proceed(with: ready.number)
                    events += takeResult(number)
                } else {
                    events += hear(Int(ready.number) - 1)
                }
            }
            events += doWhatIsDue(searches)
        }
        publish(events)
        results.finish(inbox.observations, catalogue.unverified)
        remember()
    }

    private func nextTime(_ searches: Bool) -> ContinuousClock.Instant? {
        var times = [settling.next, catalogue.nextTick, verifications.values.map(deadline(of:)).min(), nextMemory]
        if searches { times.append(timetable.next) }
        if catalogue.isCrowded { times.append(nextNeighbours) }
        return times.compactMap(\.self).min()
    }

    private func doWhatIsDue(_ searches: Bool) -> [FinderEvent] {
        let now = ContinuousClock.now
        var events: [FinderEvent] = []
        if searches, timetable.next <= now { ask() }
        catalogue.tick(at: now)
        if catalogue.isCrowded, nextNeighbours <= now { updateNeighbours() }
        for (number, verification) in verifications where deadline(of: verification) <= now {
            verification.expire()
            events += takeResult(number)
        }
        if let time = nextMemory, time <= now { remember() }
        return events
    }

    /// Reads the machine's neighbour table: a flood of invented hosts must not keep real ones out.
    private func updateNeighbours() {
        let neighbours = Netlink.neighbours()
        catalogue.trust(neighbours)
        inbox.neighbours = neighbours
        nextNeighbours = .now + .milliseconds(200)
    }

    // MARK: - Asking and receiving

    private func watchSockets() {
        for (index, socket) in sockets.open.enumerated() { poller.watch(socket.descriptor, as: UInt64(index + 1)) }
    }

    private func ask() {
        for question in timetable.takeDue(at: .now) {
            for failure in FinderSockets.ask(question, by: sockets.open) { inbox.noteSent(failure) }
        }
    }

    /// Receives up to 64 datagrams from a socket, so that a flood at one does not delay the others.
    private func hear(_ index: Int) -> [FinderEvent] {
        guard sockets.open.indices.contains(index) else { return [] }
        let socket = sockets.open[index]
        var events: [FinderEvent] = []
        for _ in 0..<64 {
            guard let (count, sender, hops) = DatagramSocket.receive(socket.descriptor, into: &buffer) else { break }
            guard sender.port != 0, socket.takes(from: sender.address, hops: hops) else { continue }
            for candidate in read(Array(buffer.prefix(count)), from: sender.address, at: socket) {
                events += catalogue.take(candidate, at: .now)
            }
        }
        return events
    }

    private func read(
        _ bytes: [UInt8], from source: IPAddress, at socket: FinderSockets.Socket
    ) -> [Candidate] {
        if inbox.turnsAway(source), nextNeighbours <= .now { updateNeighbours() }
        let (candidates, questions) = inbox.take(bytes, by: socket.origin, from: source, on: socket.interface)
        if !questions.isEmpty, socket.sendsQuestions { inbox.noteSent(FinderSockets.ask(questions, by: socket)) }
        return candidates
    }

    private func followNetwork(_ changes: Netlink.Changes?) {
        changes?.drain()
        guard let all = try? Netlink.interfaces() else { return }
        let chosen = InterfacePolicy(names: options.interfaces).choose(from: all)
        guard chosen != interfaces else { return }
        interfaces = chosen
        catalogue.interfaceNames = Self.names(of: chosen)
        let again = FinderOpening(on: chosen, options, inbox)
        sockets = FinderSockets(again.sockets)
        (inbox, timetable) = (again.inbox, again.timetable)
        watchSockets()
    }

    // MARK: - Verifying and reporting

    private func startVerifying() -> [FinderEvent] {
        // A search that has found a node must not wait for hosts that do not answer.
        let timeout = options.isWatching ? .seconds(2) : min(options.timeout, .seconds(2))
        var events: [FinderEvent] = []
        while true {
            let jobs = catalogue.takeJobs()
            if jobs.isEmpty { return events }
            for (job, isInDoubt) in jobs {
                let number = nextNumber
                nextNumber += 2
                let deadline = ContinuousClock.now + (isInDoubt ? min(timeout, Self.shortTimeout) : timeout)
                verifications[number] = Verification(job, deadline: deadline, poller: poller, number: number)
                events += takeResult(number)
            }
        }
    }

    /// When a verification fails for lack of an answer. A host may be slow, because it is busy or emulated: a search that
    /// has found nothing so far waits for its answer to the end, unless that could keep others from being asked.
    private func deadline(of verification: Verification) -> ContinuousClock.Instant {
        guard let end = settling.end, !catalogue.hasFound, !catalogue.isCrowded else { return verification.deadline }
        return max(verification.deadline, end)
    }

    private func takeResult(_ number: UInt64) -> [FinderEvent] {
        guard let verification = verifications[number], let result = verification.result else { return [] }
        verifications[number] = nil
        let (job, now) = (verification.job, ContinuousClock.now)
        let events = catalogue.finish(job, result, at: now)
        return events + (verification.other.map { catalogue.take($0, insteadOf: job, at: now) } ?? [])
    }

    private func publish(_ events: [FinderEvent]) {
        guard !events.isEmpty else { return }
        results.set(catalogue.found)
        for event in events { report(event) }
        if options.isWatching, nextMemory == nil { nextMemory = .now + .seconds(1) }
    }

    private func remember() {
        nextMemory = nil
        try? memory?.remember(catalogue.found)
    }

    private static func names(of interfaces: [NetworkInterface]) -> [Int32: String] {
        Dictionary(interfaces.map { ($0.index, $0.name) }) { first, _ in first }
    }
}
