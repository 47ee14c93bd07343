import CloudletCore
import Logging

/// Counts lines with the same message about the same client, instead of writing all of them: strangers decide how often they
/// are refused, and must not fill the disk with that.
struct RepeatedLines {
    /// What makes lines the same.
    struct Subject: Hashable {
        let level: Logger.Level
        let message: String
        /// `nil` for all lines with the message, whomever they are about.
        let client: String?
    }

    /// How many lines may come at once, and how many per minute in the long run.
    struct Limit {
        let burst: Double
        let perMinute: Double
    }

    /// Lines of one subject: how many may be written now, and how many were not.
    private struct Account {
        var left: Double
        var changed: ContinuousClock.Instant
        var unwritten = 0
        var since: ContinuousClock.Instant?
    }

    /// A subject of which lines were not written, and how many.
    typealias Count = (subject: Subject, lines: Int)

    private let perClient: Limit
    private let perMessage: Limit
    private var accounts: [Subject: Account] = [:]

    /// Most subjects that are distinguished; further lines count for their message only.
    private static let mostSubjects = 2048
    /// How long lines are counted before the count is logged.
    private static let pause = Duration.seconds(60)

    init(
        perClient: Limit = Limit(burst: 60, perMinute: 60), perMessage: Limit = Limit(burst: 600, perMinute: 300)
    ) {
        self.perClient = perClient
        self.perMessage = perMessage
    }

    /// Whether a line is to be written; it is counted if not. What is only written on demand is always written.
    mutating func admits(_ line: LogLine, at now: ContinuousClock.Instant = .now) -> Bool {
        guard line.level > .debug else { return true }
        let whole = Subject(level: line.level, message: line.message, client: nil)
        if let client = line.fields["client"] ?? line.fields["address"] {
            let subject = Subject(level: line.level, message: line.message, client: client)
            if accounts[subject] != nil || accounts.count < Self.mostSubjects {
                guard take(subject, perClient, now) else { return false }
            }
        }
        return take(whole, perMessage, now)
    }

    private mutating func take(_ subject: Subject, _ limit: Limit, _ now: ContinuousClock.Instant) -> Bool {
        var account = accounts[subject] ?? Account(left: limit.burst, changed: now)
        defer { accounts[subject] = account }
        account.left = min(limit.burst, account.left + (now - account.changed).seconds / 60 * limit.perMinute)
        account.changed = now
        guard account.left >= 1 else {
            account.unwritten += 1
            account.since = account.since ?? now
            return false
        }
        account.left -= 1
        return true
    }

    /// The counts to log now: those that are a minute old, or all of them. Forgets subjects that were quiet for long.
    mutating func due(all: Bool = false, at now: ContinuousClock.Instant = .now) -> [Count] {
        var counts: [Count] = []
        for (subject, account) in accounts {
            if let since = account.since, all || now - since >= Self.pause {
                counts.append((subject, account.unwritten))
                accounts[subject]?.unwritten = 0
                accounts[subject]?.since = nil
            } else if account.since == nil, now - account.changed >= Self.pause * 10 {
                accounts[subject] = nil
            }
        }
        return counts.sorted { $0.lines > $1.lines }
    }
}
