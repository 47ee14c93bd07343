// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Logging

/// Limits how many lines with the same message about the same client are written; further ones are counted. Clients
/// control how often they are refused, and must not be able to fill the disk with log lines.
struct RepeatedLines {
    /// The properties in which repeated lines are equal.
    struct Key: Hashable {
        let level: Logger.Level
        let message: String
        /// The client; `nil` for all lines with the message, whatever their client.
        let client: String?
    }

    /// How many lines may be written at once, and how many per minute in the long run.
    struct Limit {
        let burst: Double
        let perMinute: Double
    }

    /// The state of one key: how many lines may be written now, and how many were not.
    private struct Account {
        var left: Double
        var changed: ContinuousClock.Instant
        var unwritten = 0
        var since: ContinuousClock.Instant?
    }

    /// A key and the number of its lines that were not written.
    typealias Count = (key: Key, lines: Int)

    private let perClient: Limit
    private let perMessage: Limit
    private var accounts: [Key: Account] = [:]

    /// The largest number of keys. Beyond it, lines count for their message only.
    private static let mostKeys = 2048
    /// How long lines are counted before their number is logged.
    private static let pause = Duration.seconds(60)

    init(
        perClient: Limit = Limit(burst: 60, perMinute: 60), perMessage: Limit = Limit(burst: 600, perMinute: 300)
    ) {
        self.perClient = perClient
        self.perMessage = perMessage
    }

    /// Whether to write a line; if not, it is counted. Debug lines are always written, because they are written only on
    /// request.
    mutating func admits(_ line: LogLine, at now: ContinuousClock.Instant = .now) -> Bool {
        guard line.level > .debug else { return true }
        let whole = Key(level: line.level, message: line.message, client: nil)
        if let client = line.fields["client"] ?? line.fields["address"] {
            let key = Key(level: line.level, message: line.message, client: client)
            if accounts[key] != nil || accounts.count < Self.mostKeys {
                guard take(key, perClient, now) else { return false }
            }
        }
        return take(whole, perMessage, now)
    }

    private mutating func take(_ key: Key, _ limit: Limit, _ now: ContinuousClock.Instant) -> Bool {
        var account = accounts[key] ?? Account(left: limit.burst, changed: now)
        defer { accounts[key] = account }
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

    /// Returns the counts to log now: those older than a minute, or all of them. Removes keys that had no lines for
    /// a long time.
    mutating func due(all: Bool = false, at now: ContinuousClock.Instant = .now) -> [Count] {
        var counts: [Count] = []
        for (key, account) in accounts {
            if let since = account.since, all || now - since >= Self.pause {
                counts.append((key, account.unwritten))
                accounts[key]?.unwritten = 0
                accounts[key]?.since = nil
            } else if account.since == nil, now - account.changed >= Self.pause * 10 {
                accounts[key] = nil
            }
        }
        return counts.sorted { $0.lines > $1.lines }
    }
}
