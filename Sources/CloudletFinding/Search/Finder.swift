public import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem

/// Finds nodes: asks by SSDP and mDNS and asks the nodes found earlier, all at once, from sockets of its own; merges
/// what it hears into one entry a node; verifies each by a real connection before it is reported.
public final class Finder: Sendable {
    private let options: FinderOptions
    private let board = FinderBoard()

    /// A finder with these options.
    public init(_ options: FinderOptions = FinderOptions()) { self.options = options }

    /// The nodes found so far, or by the last search.
    public var found: [FoundNode] { board.value.found }

    /// What the last search heard of that did not prove to be a node: dead, unreachable, or somebody else.
    public var unverified: [UnverifiedNode] { board.value.unverified }

    /// Searches until the time is over or, some time after all answers are in, nothing new comes; while watching, for
    /// ever. Ends early when `body` returns, which gets the events as they happen.
    /// - Returns: what `body` returns.
    /// - Throws: `CloudletError.noNetwork` when there is no interface to search on, `usage` for a wrong host, and what
    ///   `body` throws.
    public func withEvents<Value: Sendable>(
        _ body: @escaping @Sendable (AsyncStream<FinderEvent>) async throws -> Value
    ) async throws -> Value {
        let given = try options.hosts.map(sighting(of:))
        let searches = options.searches
        let (events, report) = AsyncStream.makeStream(of: FinderEvent.self)
        let (poller, end) = (try Poller(), AsyncEvent())
        board.start()
        let stop: @Sendable () -> Void = { [board] in
            board.stop()
            poller.wake()
        }
        // A thread of its own, and not by way of the common pool: every millisecond shows.
        try await withCheckedThrowingContinuation { begun in
            let started = DetachedThread.start { [self] in
                do {
                    let opening = try opening()
                    begun.resume()
                    let loop = FinderLoop(opening, options: options, poller: poller, board: board) { report.yield($0) }
                    loop.run(given, searches: searches) { [board] in board.wasStopped }
                    report.yield(.quiet)
                } catch {
                    begun.resume(throwing: error)
                }
                report.finish()
                end.set()
            }
            if !started { begun.resume(throwing: CloudletError(.system, "the system gives no further thread")) }
        }
        let result: Result<Value, any Error> = await withTaskCancellationHandler {
            do { return .success(try await body(events)) } catch { return .failure(error) }
        } onCancel: {
            stop()
        }
        stop()
        await shielded { await end.wait() }
        return try result.get()
    }

    /// Begins the search: the first questions leave before anything else is got ready.
    private func opening() throws(CloudletError) -> FinderOpening {
        guard options.searches || options.asksKnown else { return FinderOpening(on: [], options) }
        let machine = try Netlink.interfaces()
        let interfaces = InterfacePolicy(names: options.interfaces).choose(from: machine)
        if interfaces.isEmpty, options.searches, !options.isWatching { throw noNetwork(machine) }
        return FinderOpening(on: interfaces, options)
    }

    /// What keeps interfaces from being searched on that were named.
    public var obstacles: [String] {
        guard let machine = try? Netlink.interfaces() else { return [] }
        return options.interfaces.compactMap { FinderDiagnosis.obstacle(of: $0, machine) }
    }

    /// Searches to the end.
    /// - Parameters:
    ///   - base: a base VM that the overlay needs.
    ///   - isEnough: ends the search early; is asked whenever the nodes found so far have changed.
    /// - Returns: the nodes found, best first.
    /// - Throws: as ``withEvents(_:)``.
    public func find(
        wanting base: SHA256Digest? = nil, until isEnough: @escaping @Sendable ([FoundNode]) -> Bool = { _ in false }
    ) async throws -> [FoundNode] {
        let nodes = try await withEvents { events in
            var nodes: [String: FoundNode] = [:]
            for await event in events {
                switch event {
                case .found(let node), .updated(let node): nodes[node.key] = node
                case .lost(let node): nodes[node.key] = nil
                case .quiet: break
                }
                if isEnough(Array(nodes.values)) { break }
            }
            return Array(nodes.values)
        }
        return FoundNode.ranked(nodes, wanting: base)
    }

    /// Why the last search may have found nothing, the likeliest reason first.
    public func explainNothingFound() -> [FinderHint] {
        let content = board.value
        let machine = (try? Netlink.interfaces()) ?? []
        return FinderDiagnosis.hints(
            observations: content.observations,
            interfaces: InterfacePolicy(names: options.interfaces).choose(from: machine), machine: machine,
            unverified: content.unverified, options: options)
    }

    /// Whether there is no network to search on: the machine's inside is searched then, but whoever finds nothing there
    /// should know.
    public var isOffline: Bool {
        guard let machine = try? Netlink.interfaces() else { return false }
        return FinderDiagnosis.isOffline(InterfacePolicy(names: options.interfaces).choose(from: machine), options)
    }

    private func noNetwork(_ machine: [NetworkInterface]) -> CloudletError {
        let reasons = options.interfaces.compactMap { FinderDiagnosis.obstacle(of: $0, machine) }
        return CloudletError(
            .noNetwork,
            reasons.isEmpty
                ? "no network interface is up"
                : "no usable network interface: \(reasons.joined(separator: ", "))",
            advice: "`ip address` shows what there is; --host ADDRESS asks a node without searching")
    }

    private func sighting(of host: String) throws(CloudletError) -> Candidate {
        func refusal(_ reason: String) -> CloudletError {
            CloudletError(
                .usage, "\(host.displayable()) is no address: \(reason)",
                advice: "give ADDRESS or ADDRESS:PORT, as 192.168.1.5, [fd00::5]:8022 or fe80::1%eth0")
        }
        let given = HostAndPort(host)
        var text = given == nil ? host[...] : host[..<(host.lastIndex(of: ":") ?? host.endIndex)]
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if let reason = IPAddress.objection(toHost: String(text)) { throw refusal(reason) }
        let parts = text.split(separator: "%", maxSplits: 1).map(String.init)
        guard let address = IPAddress(parts[0]) else { throw refusal("it has no IP address") }
        var interface: Int32 = 0
        if let zone = parts.dropFirst().first {
            guard let found = try Netlink.interfaces().first(where: { $0.name == zone }) else {
                throw refusal("there is no interface \(zone.displayable(limit: 32))")
            }
            interface = found.index
        }
        return Candidate(
            origin: .given,
            place: NodePlace(
                address: address, interface: interface, httpPort: given?.port ?? options.defaultHTTPPort,
                descriptionPath: UPnPPath.description, synthesisPort: NodeRecord.defaultSynthesisPort))
    }
}
