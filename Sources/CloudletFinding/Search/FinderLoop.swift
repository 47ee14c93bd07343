import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// A search as one thread sees it: it asks, hears, verifies and reports, and sleeps until one of its sockets is ready or
/// one of its times has come.
final class FinderLoop {
    private let options: FinderOptions
    private let poller: Poller
    private let board: FinderBoard
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
    /// The longest a verification that is in doubt may take while many wait.
    private static let shortPatience = Duration.milliseconds(400)

    /// A search that goes on where its `opening` has begun.
    init(
        _ opening: FinderOpening, options: FinderOptions, poller: Poller, board: FinderBoard,
        report: @escaping (FinderEvent) -> Void
    ) {
        self.options = options
        interfaces = opening.interfaces
        sockets = FinderSockets(opening.sockets)
        inbox = opening.inbox
        timetable = opening.timetable
        self.poller = poller
        self.board = board
        self.report = report
        memory = options.stateDirectory.map { KnownNodes(in: $0) }
        catalogue = NodeCatalogue(
            checkInterval: options.isWatching ? options.checkInterval : nil,
            interfaceNames: Self.names(of: interfaces))
        settling = FinderSettling(start: .now, timeout: options.isWatching ? nil : options.timeout)
    }

    /// Searches until the search is over or `isStopped`.
    /// `given` are hosts to be asked without a search; `searches` says whether to search at all.
    func run(_ given: [Candidate], searches: Bool, until isStopped: () -> Bool) {
        let changes = options.isWatching ? try? Netlink.Changes() : nil
        if let changes { poller.watch(changes.descriptor, as: Self.networkNumber) }
        watchSockets()
        VerificationResult.rehearse()
        var events: [FinderEvent] = []
        let known = options.asksKnown ? memory?.sightings(on: interfaces) ?? [] : []
        for sighting in given + known { events += catalogue.take(sighting, at: .now) }
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
            // Connections that are under way go before further claims.
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
        board.finish(inbox.observations, catalogue.unverified)
        remember()
    }

    private func nextTime(_ searches: Bool) -> ContinuousClock.Instant? {
        var times = [settling.next, catalogue.nextTick, verifications.values.map(\.deadline).min(), nextMemory]
        if searches { times.append(timetable.next) }
        if catalogue.isCrowded { times.append(nextNeighbours) }
        return times.compactMap(\.self).min()
    }

    private func doWhatIsDue(_ searches: Bool) -> [FinderEvent] {
        let now = ContinuousClock.now
        var events: [FinderEvent] = []
        if searches, timetable.next <= now { ask() }
        catalogue.tick(at: now)
        if catalogue.isCrowded, nextNeighbours <= now { lookAround() }
        for (number, verification) in verifications where verification.deadline <= now {
            verification.expire()
            events += takeResult(number)
        }
        if let time = nextMemory, time <= now { remember() }
        return events
    }

    /// Looks which hosts the machine itself knows: a flood of invented ones keeps none of these out.
    private func lookAround() {
        let neighbours = Netlink.neighbours()
        catalogue.trust(neighbours)
        inbox.neighbours = neighbours
        nextNeighbours = .now + .milliseconds(200)
    }

    // MARK: - Asking and hearing

    private func watchSockets() {
        for (index, socket) in sockets.open.enumerated() { poller.watch(socket.descriptor, as: UInt64(index + 1)) }
    }

    private func ask() {
        for question in timetable.takeDue(at: .now) {
            for failure in FinderSockets.ask(question, by: sockets.open) { inbox.noteSent(failure) }
        }
    }

    /// Takes in what has arrived at a socket. So much at a time, so that a flood does not keep everything else waiting.
    private func hear(_ index: Int) -> [FinderEvent] {
        guard sockets.open.indices.contains(index) else { return [] }
        let socket = sockets.open[index]
        var events: [FinderEvent] = []
        for _ in 0..<64 {
            guard let (count, sender, hops) = DatagramSocket.receive(socket.descriptor, into: &buffer) else { break }
            guard sender.port != 0, socket.takes(from: sender.address, hops: hops) else { continue }
            for sighting in read(Array(buffer.prefix(count)), from: sender.address, at: socket) {
                events += catalogue.take(sighting, at: .now)
            }
        }
        return events
    }

    private func read(
        _ bytes: [UInt8], from source: IPAddress, at socket: FinderSockets.Socket
    ) -> [Candidate] {
        if inbox.turnsAway(source), nextNeighbours <= .now { lookAround() }
        let (sightings, questions) = inbox.take(bytes, by: socket.origin, from: source, on: socket.interface)
        if !questions.isEmpty, socket.isAsker { inbox.noteSent(FinderSockets.ask(questions, by: socket)) }
        return sightings
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
        // A search that ends does not wait for those who don't answer.
        let patience = options.isWatching ? .seconds(2) : min(options.timeout, .seconds(2))
        var events: [FinderEvent] = []
        while true {
            let jobs = catalogue.takeJobs()
            if jobs.isEmpty { return events }
            for (job, isInDoubt) in jobs {
                let number = nextNumber
                nextNumber += 2
                let deadline = ContinuousClock.now + (isInDoubt ? min(patience, Self.shortPatience) : patience)
                verifications[number] = Verification(job, deadline: deadline, poller: poller, number: number)
                events += takeResult(number)
            }
        }
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
        board.set(catalogue.found)
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

/// What others may see of a search while it runs.
final class FinderBoard: Sendable {
    struct Content: Sendable {
        var found: [FoundNode] = []
        var unverified: [UnverifiedNode] = []
        var observations = FinderInbox.Observations()
    }

    private let content = Mutex(Content())
    private let isStopped = Atomic<Bool>(false)

    var value: Content { content.withLock { $0 } }
    var wasStopped: Bool { isStopped.load(ordering: .relaxed) }

    func set(_ found: [FoundNode]) { content.withLock { $0.found = found } }

    func finish(_ observations: FinderInbox.Observations, _ unverified: [UnverifiedNode]) {
        content.withLock { ($0.observations, $0.unverified) = (observations, unverified) }
    }

    func start() { isStopped.store(false, ordering: .relaxed) }
    func stop() { isStopped.store(true, ordering: .relaxed) }
}
