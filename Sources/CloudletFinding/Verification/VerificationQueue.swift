import CloudletNetwork

/// Verifications that wait to be made: the trustworthy first, then those of each source in turn, so that one who claims
/// much keeps nobody else waiting.
struct VerificationQueue: Sendable {
    private var trusted: [NodeCatalogue.Job] = []
    private var bySource: [IPAddress: [NodeCatalogue.Job]] = [:]
    private var turn: [IPAddress] = []
    /// How many there are.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    /// Whether the next one is beyond doubt.
    var isNextTrusted: Bool { !trusted.isEmpty }

    /// Adds a job that is due to what `source` said; `nil` for one that is beyond doubt.
    mutating func add(_ job: NodeCatalogue.Job, from source: IPAddress?) {
        count += 1
        guard let source else { return trusted.append(job) }
        if bySource[source] == nil { turn.append(source) }
        bySource[source, default: []].append(job)
    }

    /// Takes out the next one.
    mutating func next() -> (job: NodeCatalogue.Job, isTrusted: Bool)? {
        guard count > 0 else { return nil }
        count -= 1
        if !trusted.isEmpty { return (trusted.removeFirst(), true) }
        let source = turn.removeFirst()
        guard var jobs = bySource.removeValue(forKey: source), !jobs.isEmpty else { return nil }
        let job = jobs.removeFirst()
        if !jobs.isEmpty {
            bySource[source] = jobs
            turn.append(source)
        }
        return (job, false)
    }

    /// Puts the jobs that fulfil `condition` in front of all others.
    mutating func prefer(_ condition: (NodeCatalogue.Job) -> Bool) {
        for source in turn {
            guard let jobs = bySource[source], jobs.contains(where: condition) else { continue }
            trusted += jobs.filter(condition)
            bySource[source] = jobs.filter { !condition($0) }
        }
        bySource = bySource.filter { !$0.value.isEmpty }
        turn.removeAll { bySource[$0] == nil }
    }

    /// Drops the jobs that don't fulfil `condition`.
    mutating func keep(_ condition: (NodeCatalogue.Job) -> Bool) {
        trusted.removeAll { !condition($0) }
        bySource = bySource.mapValues { $0.filter(condition) }.filter { !$0.value.isEmpty }
        turn.removeAll { bySource[$0] == nil }
        count = bySource.values.reduce(trusted.count) { $0 + $1.count }
    }
}
