import CloudletCore
import Logging

/// Asks the network: opens the sockets and sends the searches in their rhythm, three by SSDP (UDA 2.0 §1.3.2), and by
/// mDNS at growing intervals of at least a second (RFC 6762 §5.2).
struct FinderSearcher: Sendable {
    let options: FinderOptions
    let inbox: FinderInbox

    /// Milliseconds after the start at which SSDP is asked.
    private static let ssdpTimes = [0, 250, 600]
    /// While watching, it is asked again this often; announcements are heard all the time.
    private static let ssdpInterval = Duration.seconds(120)
    /// The longest time between two queries by mDNS.
    private static let longestPause = Duration.seconds(3600)

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

    /// One set of sockets and its searches, until the search is over.
    private func searchOnce(
        _ interfaces: [NetworkInterface], whenAsked: @escaping @Sendable () -> Void
    ) async {
        let sockets = FinderSockets(inbox: inbox)
        for interface in interfaces {
            await sockets.open(on: interface, protocols: options.protocols, listening: false)
        }
        await ask(sockets, whenAsked: whenAsked)
        await sockets.close()
    }

    private func watch(_ interfaces: [NetworkInterface], while valid: CurrentValue<Bool>) async {
        let sockets = FinderSockets(inbox: inbox)
        for interface in interfaces {
            await sockets.open(on: interface, protocols: options.protocols, listening: true)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await ask(sockets) {} }
            group.addTask {
                for await isValid in valid.values() where !isValid { return }
            }
            await group.next()
            group.cancelAll()
        }
        await sockets.close()
    }

    private func ask(_ sockets: FinderSockets, whenAsked: @escaping @Sendable () -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await askMDNS(sockets) }
            await askSSDP(sockets)
            whenAsked()
            while options.isWatching, !Task.isCancelled {
                try? await Task.sleep(for: Self.ssdpInterval)
                await sockets.searchSSDP(UPnPDevice.deviceType)
            }
        }
    }

    private func askSSDP(_ sockets: FinderSockets) async {
        let start = ContinuousClock.now
        for time in Self.ssdpTimes {
            if time > 0 { try? await Task.sleep(until: start + .milliseconds(time)) }
            if Task.isCancelled { return }
            await sockets.searchSSDP(UPnPDevice.deviceType)
        }
        // Who else answers helps to explain why no node did.
        if !options.isWatching { await sockets.searchSSDP("upnp:rootdevice") }
    }

    private func askMDNS(_ sockets: FinderSockets) async {
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            await sockets.queryMDNS(MDNSSightings.query)
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, Self.longestPause)
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
