// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem

/// Finds nodes: searches by SSDP and mDNS and asks the nodes that earlier searches found, all at once and from sockets of
/// its own. It merges what it hears into one entry per node, and verifies each by a connection before it reports it.
public final class Finder: Sendable {
    private let options: FinderOptions
    private let results = SearchResults()

    /// Creates a finder.
    public init(_ options: FinderOptions = FinderOptions()) { self.options = options }

    /// The nodes that the running or last search found.
    public var found: [FoundNode] { results.value.found }

    /// The endpoints that were announced to the running or last search and could not be verified.
    public var unverified: [UnverifiedNode] { results.value.unverified }

    /// Searches until the timeout, or until a node was found and nothing new comes; while watching, without end. `body`
    /// receives the events as they happen; the search ends early when it returns.
    /// - Returns: what `body` returns.
    /// - Throws: `CloudletError.noNetwork` when there is no interface to search on, `usage` for an invalid host, and what
    ///   `body` throws.
    public func withEvents<Value: Sendable>(
        _ body: @escaping @Sendable (AsyncStream<FinderEvent>) async throws -> Value
    ) async throws -> Value {
        let given = try options.hosts.map(candidate(of:))
        let searches = options.searches
        let (events, report) = AsyncStream.makeStream(of: FinderEvent.self)
        let (poller, end) = (try Poller(), AsyncEvent())
        results.start()
        let stop: @Sendable () -> Void = { [results] in
            results.stop()
            poller.wake()
        }
        // On a thread of its own: a hop to the shared pool would delay the first question by some milliseconds.
        try await withCheckedThrowingContinuation { begun in
            let started = DetachedThread.start { [self] in
                do {
                    let opening = try opening()
                    begun.resume()
                    let loop = FinderLoop(opening, options: options, poller: poller, results: results) {
                        report.yield($0)
                    }
                    loop.run(given, searches: searches) { [results] in results.wasStopped }
                    report.yield(.quiet)
                } catch {
                    begun.resume(throwing: error)
                }
                report.finish()
                end.set()
            }
            if !started { begun.resume(throwing: CloudletError(.system, "the system can't start another thread")) }
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

    /// Sends the first questions, before anything else is prepared.
    private func opening() throws(CloudletError) -> FinderOpening {
        guard options.searches || options.asksKnown else { return FinderOpening(on: [], options) }
        let machine = try Netlink.interfaces()
        let interfaces = InterfacePolicy(names: options.interfaces).choose(from: machine)
        if interfaces.isEmpty, options.searches, !options.isWatching { throw noNetwork(machine) }
        return FinderOpening(on: interfaces, options)
    }

    /// Why named interfaces can't be searched on.
    public var obstacles: [String] {
        guard let machine = try? Netlink.interfaces() else { return [] }
        return options.interfaces.compactMap { FinderDiagnosis.obstacle(of: $0, machine) }
    }

    /// Searches until the search is over.
    /// - Parameters:
    ///   - base: the base VM that the overlay needs: nodes that hold it come first.
    ///   - allowsBoot: whether nodes that can only boot the base VM come before those without it.
    ///   - isEnough: called whenever the found nodes have changed; `true` ends the search.
    /// - Returns: the nodes found, best first.
    /// - Throws: as ``withEvents(_:)``.
    public func find(
        wanting base: SHA256Digest? = nil, allowingBoot allowsBoot: Bool = false,
        until isEnough: @escaping @Sendable ([FoundNode]) -> Bool = { _ in false }
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
        return FoundNode.ranked(nodes, wanting: base, allowingBoot: allowsBoot)
    }

    /// Why the last search may have found nothing, the most likely reason first.
    public func explainNothingFound() -> [FinderHint] {
        let content = results.value
        let machine = (try? Netlink.interfaces()) ?? []
        return FinderDiagnosis.hints(
            observations: content.observations,
            interfaces: InterfacePolicy(names: options.interfaces).choose(from: machine), machine: machine,
            unverified: content.unverified, options: options)
    }

    /// Whether the machine has no network. The search then covers only the loopback interface, which a user who finds
    /// nothing should know.
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
            advice: "`ip address` lists the interfaces; --host ADDRESS asks a node without searching")
    }

    private func candidate(of host: String) throws(CloudletError) -> Candidate {
        func refusal(_ reason: String) -> CloudletError {
            CloudletError(
                .usage, "\(host.displayable()) is not a usable address: \(reason)",
                advice: "give ADDRESS or ADDRESS:PORT, for example 192.168.1.5, [fd00::5]:8022 or fe80::1%eth0")
        }
        // An IPv6 address without a port may also be written without brackets.
        let authority = Authority(host)
        let scoped = if case .address(let scoped)? = authority?.host { scoped } else { ScopedAddress(host) }
        guard let scoped else { throw refusal("it contains no IP address") }
        if let reason = scoped.objection { throw refusal(reason) }
        var interface: Int32 = 0
        if let zone = scoped.zone {
            guard let found = try Netlink.interfaces().first(where: { $0.isZone(zone) }) else {
                throw refusal("there is no interface \(zone.displayable(limit: 32))")
            }
            interface = found.index
        }
        return Candidate(
            origin: .given,
            endpoint: NodeEndpoint(
                address: scoped.address, interface: interface, httpPort: authority?.port ?? options.defaultHTTPPort,
                descriptionPath: UPnPPath.description, synthesisPort: NodeRecord.defaultSynthesisPort))
    }
}
