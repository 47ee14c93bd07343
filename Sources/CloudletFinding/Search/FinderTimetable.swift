// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery

/// Decides when a search asks which question: three times by SSDP (UDA 2.0 §1.3.2), and by mDNS at growing intervals of at
/// least a second (RFC 6762 §5.2). A search with time left goes on by SSDP at growing intervals as well: the node may be
/// about to start, and its announcement may be lost. A watching finder asks without end, at long intervals, and listens to
/// announcements all the time.
struct FinderTimetable: Sendable {
    /// A question to the network.
    enum Question: Hashable, Sendable {
        /// M-SEARCH for a device type.
        case ssdp(String)
        /// PTR query for the service types.
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
    /// Whether each question was asked as often as a search needs to find a node.
    private(set) var isThrough = false

    /// Creates a timetable that begins at `start`.
    init(start: ContinuousClock.Instant, isEndless: Bool) {
        self.isEndless = isEndless
        ssdp = Self.ssdpTimes.map { start + $0 }
        mdns = start
    }

    /// When the next question is due.
    var next: ContinuousClock.Instant { min(ssdp.first ?? mdns, mdns) }

    /// Takes out the questions that are due at `now`.
    mutating func takeDue(at now: ContinuousClock.Instant) -> [Question] {
        var questions: [Question] = []
        if let time = ssdp.first, time <= now {
            ssdp.removeFirst()
            questions.append(.ssdp(UPnPDevice.deviceType))
            if ssdp.isEmpty {
                // Answers of other devices help to explain why no node answered.
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

/// Decides when a search is over: at its timeout, or earlier when a node was found, every question was asked, every claim
/// was verified and nothing new has come for a while.
struct FinderSettling: Sendable {
    private static let quietPeriod = Duration.milliseconds(250)

    /// The latest time of the end; `nil` for never.
    let end: ContinuousClock.Instant?
    private var lastNews: ContinuousClock.Instant
    private var wasAsked = false
    private var isSettled = false

    /// Creates the decision for a search that begins at `start`; one without `timeout` never ends.
    init(start: ContinuousClock.Instant, timeout: Duration?) {
        end = timeout.map { start + $0 }
        lastNews = start
    }

    /// Updates the decision.
    mutating func note(
        hasNews: Bool, isAsked: Bool, isIdle: Bool, hasFound: Bool, at now: ContinuousClock.Instant
    ) {
        if hasNews || isAsked && !wasAsked { lastNews = now }
        wasAsked = isAsked
        isSettled = isAsked && isIdle && hasFound
    }

    /// When the search is over if nothing else happens; `nil` for never.
    var next: ContinuousClock.Instant? {
        guard let end else { return nil }
        return isSettled ? min(end, lastNews + Self.quietPeriod) : end
    }
}
