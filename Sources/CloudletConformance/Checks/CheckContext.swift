import CloudletCore
import CloudletSystem

/// What every check has at hand.
struct CheckContext: Sendable {
    let stage: Stage
    let subject: Subject
    let options: ConformanceOptions
    let hooks: HookRunner

    /// The verdicts by the names of rows.
    typealias Outcomes = [String: Outcome]

    /// Sends a search from a port of its own and collects the node's answers for some seconds.
    func ask(
        _ search: SearchText, to target: Place = .ssdpV4, wait seconds: Double = 1.4, port: UInt16 = 0
    ) async -> [Heard] {
        guard let asker = try? stage.asker(port: port, v6: target.isV6) else { return [] }
        asker.send(search.text, to: target)
        await pause(seconds)
        return answers(at: asker)
    }

    /// The node's answers that a socket has received.
    func answers(at asker: UDPPort) -> [Heard] {
        asker.packets().compactMap(Heard.init).filter {
            $0.message.isAnswer && ($0.source.isV6 || $0.source.address == subject.address)
        }
    }

    /// An address from which the node must not be asked, to which it has a way back: a connection proves that.
    func offLinkSource() async throws(CloudletError) -> Place {
        guard let text = options.offLink, let source = Place(text) else {
            throw CloudletError(
                .unavailable, "needs --off-link: an address of this host that is foreign to the node's network")
        }
        let target = subject.location.place
        let isReached = try await blocking { () throws(CloudletError) in Connection(to: target, from: source) != nil }
        guard isReached else { throw CloudletError(.unavailable, "the node has no way back to \(source)") }
        return source
    }

    /// How many answers each of several searches gets, all asked at once from ports of their own.
    func counts(_ searches: [SearchText]) async -> [Int] {
        await withTaskGroup(of: (Int, Int).self) { group in
            for (index, search) in searches.enumerated() {
                group.addTask { (index, await ask(search).count) }
            }
            var result = [Int](repeating: 0, count: searches.count)
            for await (index, count) in group { result[index] = count }
            return result
        }
    }

    /// Whether the node answers a search for its device type, tried a few times.
    func isThere(tries: Int = 4) async -> Bool {
        for _ in 0..<tries where !(await ask(SearchText(options.deviceType), wait: 1.2)).isEmpty { return true }
        return false
    }

    /// Starts the node anew when an earlier check has silenced it, so that each row is judged for itself.
    func revive() async {
        guard hooks.has(.stop, .start) else { return }
        let answers = await HTTPProbe.get(subject.location, patience: .seconds(2)).status == 200
        if answers, await isThere(tries: 2) { return }
        _ = try? await hooks.run(.stop)
        await pause(1)
        _ = try? await hooks.run(.start)
        await pause(2)
    }

    /// Revived, and with the place where the documents are now: some devices take another port at each start.
    func revived() async -> CheckContext {
        await revive()
        guard let found = try? await Subject.find(on: stage, options) else { return self }
        return CheckContext(stage: stage, subject: found, options: options, hooks: hooks)
    }

    /// Asks a question by mDNS from a port of its own, as resolvers of old do; the answers come to that port.
    func resolve(_ name: DNSLabels, _ type: UInt16, wait seconds: Double = 0.5) async -> [HeardDNS] {
        guard let asker = try? stage.asker(hops: 255) else { return [] }
        asker.send(DNSPacket.query(name, type).bytes, to: .mdnsV4)
        await pause(seconds)
        return asker.packets().compactMap(HeardDNS.init).filter { $0.packet.isResponse }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int { Int((seconds * 1000).rounded()) }
}
