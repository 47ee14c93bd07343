import CloudletCore
import Logging

/// Asks the network: opens the sockets and sends the searches in their rhythm, three by SSDP (UDA 2.0 §1.3.2), and by
/// mDNS at growing intervals of at least a second (RFC 6762 §5.2).
struct FinderSearcher: Sendable {
    let options: FinderOptions
    let inbox: FinderInbox

    /// Milliseconds after the start at which SSDP is asked.
    private static let ssdpTimes = [0, 250, 600]
    /// The same for mDNS, as long as the search lasts.
    private static let mdnsTimes = [0, 1000, 3000, 7000]
    /// While watching, everybody is asked again this often.
    private static let watchInterval = Duration.seconds(60)

    /// Searches on `interfaces`; while watching follows the network.
    func run(_ interfaces: [NetworkInterface], _ input: AsyncStream<FinderInput>.Continuation) async {
        guard options.isWatching else {
            await searchOnce(interfaces) { input.yield(.asked) }
            return
        }
        let monitor = try? NetworkMonitor(
            policy: InterfacePolicy(names: options.interfaces),
            logger: Logger(label: "network") { _ in SwiftLogNoOpLogHandler() })
        guard let monitor else { return }
        await withDiscardingTaskGroup { group in
            group.addTask { try? await monitor.run() }
            var current: CurrentValue<Bool>?
            for await interfaces in monitor.interfaces.values() {
                input.yield(.interfaces(interfaces))
                current?.set(false)
                let valid = CurrentValue(true)
                current = valid
                group.addTask { await watch(interfaces, while: valid) }
            }
        }
    }

    /// One set of sockets and its three searches.
    private func searchOnce(_ interfaces: [NetworkInterface], whenAsked: () -> Void) async {
        let sockets = FinderSockets(inbox: inbox)
        for interface in interfaces {
            await sockets.open(on: interface, protocols: options.protocols, listening: false)
        }
        await ask(sockets, whenAsked: whenAsked)
        // Answers come in until the search is over.
        try? await Task.sleep(for: options.timeout)
        await sockets.close()
    }

    private func watch(_ interfaces: [NetworkInterface], while valid: CurrentValue<Bool>) async {
        let sockets = FinderSockets(inbox: inbox)
        for interface in interfaces {
            await sockets.open(on: interface, protocols: options.protocols, listening: true)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    await ask(sockets) {}
                    try? await Task.sleep(for: Self.watchInterval)
                }
            }
            group.addTask {
                for await isValid in valid.values() where !isValid { return }
            }
            await group.next()
            group.cancelAll()
        }
        await sockets.close()
    }

    private func ask(_ sockets: FinderSockets, whenAsked: () -> Void) async {
        let start = ContinuousClock.now
        let end = Int(options.isWatching ? 8000 : options.timeout.seconds * 1000)
        let plan = (Self.ssdpTimes.map { ($0, true) } + Self.mdnsTimes.map { ($0, false) })
            .filter { $0.0 < end }.sorted { $0.0 < $1.0 }
        for (time, isSSDP) in plan {
            if time > 0 { try? await Task.sleep(until: start + .milliseconds(time)) }
            if Task.isCancelled { return }
            if isSSDP {
                // The last search is for everybody: who else answers helps to explain why no node did.
                await sockets.searchSSDP(UPnPDevice.deviceType)
                if time == Self.ssdpTimes.last { await sockets.searchSSDP("upnp:rootdevice") }
            } else {
                await sockets.queryMDNS(MDNSSightings.query)
            }
            if time == Self.ssdpTimes.last, isSSDP { whenAsked() }
        }
    }
}

/// Decides when a search is over: at its time, or when something has been found, every question has been asked, every
/// claim has been verified and nothing new has come for a while.
struct FinderSettling: Sendable {
    private static let silence = Duration.milliseconds(250)

    private let start = ContinuousClock.now
    private let timeout: Duration
    private let isEndless: Bool
    private var wasAsked = false
    private var lastNews = ContinuousClock.now
    private(set) var isOver = false

    init(timeout: Duration, isEndless: Bool) {
        self.timeout = timeout
        self.isEndless = isEndless
    }

    mutating func allAsked() {
        wasAsked = true
        lastNews = .now
    }

    mutating func note(hasNews: Bool, isIdle: Bool, hasFound: Bool, at now: ContinuousClock.Instant) {
        if hasNews { lastNews = now }
        guard !isEndless else { return }
        let isSettled = wasAsked && isIdle && hasFound && now - lastNews >= Self.silence
        if isSettled || now - start >= timeout { isOver = true }
    }
}
