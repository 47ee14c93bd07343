import CloudletDiscovery

/// When a search asks what: three times by SSDP (UDA 2.0 §1.3.2), and by mDNS at growing intervals of at least a second
/// (RFC 6762 §5.2). A search that has time left goes on by SSDP in growing intervals as well: the node may be about to start,
/// and its announcement may be lost. While watching it goes on for ever, in long intervals; announcements are heard all the
/// time.
struct FinderTimetable: Sendable {
    /// A question to the network.
    enum Question: Hashable, Sendable {
        /// Who is of this type?
        case ssdp(String)
        /// Who offers the service?
        case mdns
    }

    private static let ssdpTimes: [Duration] = [.zero, .milliseconds(250), .milliseconds(600)]
    private static let ssdpInterval = Duration.seconds(120)
    private static let longestPause = Duration.seconds(3600)
    private static let longestSSDPPause = Duration.seconds(24)

    private let isEndless: Bool
    private var ssdp: [ContinuousClock.Instant]
    private var mdns: ContinuousClock.Instant
    private var pause = Duration.seconds(1)
    private var ssdpPause = Duration.seconds(2)
    /// Whether each question has been asked as often as a search needs that finds a node.
    private(set) var isThrough = false

    /// A timetable that begins at `start`.
    init(start: ContinuousClock.Instant, isEndless: Bool) {
        self.isEndless = isEndless
        ssdp = Self.ssdpTimes.map { start + $0 }
        mdns = start
    }

    /// When the next question is due.
    var next: ContinuousClock.Instant { min(ssdp.first ?? mdns, mdns) }

    /// Takes out the questions that are due.
    mutating func takeDue(at now: ContinuousClock.Instant) -> [Question] {
        var questions: [Question] = []
        if let time = ssdp.first, time <= now {
            ssdp.removeFirst()
            questions.append(.ssdp(UPnPDevice.deviceType))
            if ssdp.isEmpty {
                // Who else answers helps to explain why no node did.
                if !isEndless, !isThrough { questions.append(.ssdp("upnp:rootdevice")) }
                ssdp.append(now + (isEndless ? Self.ssdpInterval : ssdpPause))
                ssdpPause = min(ssdpPause * 2, Self.longestSSDPPause)
                isThrough = true
            }
        }
        if mdns <= now {
            questions.append(.mdns)
            mdns = now + pause
            pause = min(pause * 2, Self.longestPause)
        }
        return questions
    }
}

/// Decides when a search is over: at its time, or when something has been found, every question has been asked, every
/// claim has been verified and nothing new has come for a while.
struct FinderSettling: Sendable {
    private static let silence = Duration.milliseconds(250)

    private let end: ContinuousClock.Instant?
    private var lastNews: ContinuousClock.Instant
    private var wasAsked = false
    private var isSettled = false

    /// A search that begins at `start`; one without `timeout` never ends.
    init(start: ContinuousClock.Instant, timeout: Duration?) {
        end = timeout.map { start + $0 }
        lastNews = start
    }

    /// Takes note of how things stand.
    mutating func note(
        hasNews: Bool, isAsked: Bool, isIdle: Bool, hasFound: Bool, at now: ContinuousClock.Instant
    ) {
        if hasNews || isAsked && !wasAsked { lastNews = now }
        wasAsked = isAsked
        isSettled = isAsked && isIdle && hasFound
    }

    /// When the search is over if nothing more happens; `nil` for never.
    var next: ContinuousClock.Instant? {
        guard let end else { return nil }
        return isSettled ? min(end, lastNews + Self.silence) : end
    }
}
