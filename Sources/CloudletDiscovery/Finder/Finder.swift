public import CloudletCore
import CloudletSystem
import Logging
import Synchronization

/// Finds nodes: asks by SSDP and mDNS and asks the nodes found earlier, all at once, from sockets of its own; merges
/// what it hears into one entry a node; verifies each by a real connection before it is reported.
public final class Finder: Sendable {
    private let options: FinderOptions
    private let summary = Mutex(Summary())

    /// What remains of a search for the explanation.
    private struct Summary {
        var observations = FinderInbox.Observations()
        var interfaces: [NetworkInterface] = []
        var refuted: [(address: IPAddress, reason: String)] = []
        var found = 0
    }

    /// A finder with these options.
    public init(_ options: FinderOptions = FinderOptions()) { self.options = options }

    /// Searches until the time is over or, some time after all answers are in, nothing new comes; while watching, for
    /// ever. Ends early when `body` returns, which gets the events as they happen.
    /// - Returns: what `body` returns.
    /// - Throws: `CloudletError.noNetwork` when there is no interface to search on, `usage` for a wrong host, and what
    ///   `body` throws.
    public func withEvents<Value: Sendable>(
        _ body: @escaping @Sendable (AsyncStream<FinderEvent>) async throws -> Value
    ) async throws -> Value {
        let given = try options.hosts.map(sighting(of:))
        let searches = !options.protocols.isDisjoint(with: [.ssdp, .mdns]) && (given.isEmpty || options.isWatching)
        let interfaces = InterfacePolicy(names: options.interfaces).choose(from: try NetworkMonitor.readInterfaces())
        if interfaces.isEmpty, searches, !options.isWatching { throw noNetwork() }
        summary.withLock { $0.interfaces = interfaces }

        let (events, report) = AsyncStream.makeStream(of: FinderEvent.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                await search(interfaces, given, searches: searches, report)
                report.finish()
            }
            defer { group.cancelAll() }
            return try await body(events)
        }
    }

    /// Searches to the end.
    /// `base` is a base VM that the overlay needs.
    /// - Returns: the nodes found, best first.
    public func find(wanting base: SHA256Digest? = nil) async throws -> [FoundNode] {
        let nodes = try await withEvents { events in
            var nodes: [String: FoundNode] = [:]
            for await event in events {
                switch event {
                case .found(let node), .updated(let node): nodes[node.key] = node
                case .lost(let node): nodes[node.key] = nil
                case .quiet: break
                }
            }
            return Array(nodes.values)
        }
        return FoundNode.ranked(nodes, wanting: base)
    }

    /// Why the last search may have found nothing, the likeliest reason first.
    public func explainNothingFound() -> [FinderHint] {
        let summary = summary.withLock { $0 }
        return FinderDiagnosis.hints(
            observations: summary.observations, interfaces: summary.interfaces, refuted: summary.refuted,
            options: options)
    }

    private func noNetwork() -> CloudletError {
        let names = options.interfaces.joined(separator: ", ")
        return CloudletError(
            .noNetwork,
            options.interfaces.isEmpty ? "no network interface is up" : "no usable network interface among \(names)",
            advice: "`ip address` shows what there is; --host ADDRESS asks a node without searching")
    }

    private func sighting(of host: String) throws(CloudletError) -> NodeSighting {
        let target = HostAndPort(host) ?? IPAddress(host).map { HostAndPort($0, options.defaultHTTPPort) }
        guard let target else {
            throw CloudletError(.usage, "\(host.displayable()) is no address", advice: "give ADDRESS or ADDRESS:PORT")
        }
        return NodeSighting(
            origin: .given,
            place: NodePlace(
                address: target.address, interface: 0, httpPort: target.port, descriptionPath: UPnPPath.description,
                synthesisPort: NodeRecord.defaultSynthesisPort))
    }

    // MARK: - The search

    private func search(
        _ interfaces: [NetworkInterface], _ given: [NodeSighting], searches: Bool,
        _ report: AsyncStream<FinderEvent>.Continuation
    ) async {
        let (inputs, input) = AsyncStream.makeStream(of: FinderInput.self)
        let inbox = FinderInbox(output: input)
        for sighting in given { input.yield(.sighting(sighting)) }
        let memory = options.protocols.contains(.known) ? options.stateDirectory.map { KnownNodes(in: $0) } : nil
        for sighting in memory?.sightings(on: interfaces) ?? [] where searches { input.yield(.sighting(sighting)) }
        var catalogue = NodeCatalogue(
            checkInterval: options.isWatching ? options.checkInterval : nil, interfaceNames: Self.names(of: interfaces))

        await withDiscardingTaskGroup { [options] group in
            group.addTask {
                let searcher = FinderSearcher(options: options, inbox: inbox)
                if searches {
                    await searcher.run(interfaces, input)
                } else {
                    input.yield(.asked)
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(50))
                    input.yield(.tick)
                }
            }
            // A search that ends does not wait for those who don't answer.
            let patience = options.isWatching ? .seconds(2) : min(options.timeout, .seconds(2))
            var settling = FinderSettling(timeout: options.timeout, isEndless: options.isWatching)
            for await next in inputs {
                let now = ContinuousClock.now
                var events: [FinderEvent] = []
                switch next {
                case .sighting(let sighting): events = catalogue.take(sighting, at: now)
                case .verified(let job, let result): events = catalogue.finish(job, result, at: now)
                case .asked: settling.allAsked()
                case .tick: catalogue.tick(at: now)
                case .interfaces(let changed):
                    catalogue.interfaceNames = Self.names(of: changed)
                    summary.withLock { $0.interfaces = changed }
                }
                for event in events { report.yield(event) }
                for job in catalogue.takeJobs() {
                    group.addTask { input.yield(.verified(job, await Self.verify(job, within: patience))) }
                }
                settling.note(hasNews: !events.isEmpty, isIdle: catalogue.isIdle, hasFound: catalogue.hasFound, at: now)
                if settling.isOver { break }
            }
            group.cancelAll()
        }
        summary.withLock {
            $0.observations = inbox.observations
            $0.refuted = catalogue.refuted
            $0.found = catalogue.found.count
        }
        if !Task.isCancelled { report.yield(.quiet) }
        try? memory?.remember(catalogue.found)
    }

    private static func names(of interfaces: [NetworkInterface]) -> [Int32: String] {
        Dictionary(interfaces.map { ($0.index, $0.name) }) { first, _ in first }
    }

    private static func verify(
        _ job: NodeCatalogue.Job, within time: Duration
    ) async -> Result<NodeVerifier.Proof, CloudletError> {
        let id: NodeID? = if case .id(let id) = job.key { id } else { nil }
        do {
            return .success(try await NodeVerifier(timeout: time).verify(job.place, expecting: id))
        } catch {
            return .failure(.wrapping(error, .unavailable, "\(job.place.address) does not answer"))
        }
    }
}
