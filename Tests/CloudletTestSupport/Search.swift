// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The output of a search.
package struct Search: Sendable {
    /// The whole output.
    package let output: String

    /// One event.
    package struct Event: Sendable {
        /// Microseconds since the start of the search.
        package let microseconds: Int
        /// `+` found, `*` changed, `-` lost, `=` quiet.
        package let sign: String
        /// The node, as JSON.
        package let json: String
        func has(_ text: String) -> Bool { json.contains(text) }
    }

    /// The events, in order.
    package var events: [Event] {
        output.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 3).map(String.init)
            guard parts.count >= 3, parts[1] == "us", let time = Int(parts[0]) else { return nil }
            return Event(microseconds: time, sign: parts[2], json: parts.count > 3 ? parts[3] : "")
        }
    }

    /// The ids of nodes reported as found, in order, with repetitions.
    package var found: [String] { events.filter { $0.sign == "+" }.compactMap { Self.value("id", in: $0.json) } }
    /// The ids of nodes reported as lost.
    package var lost: [String] { events.filter { $0.sign == "-" }.compactMap { Self.value("id", in: $0.json) } }
    /// The JSON of the last event about a node.
    package func last(_ id: String) -> String { events.last { $0.has(id) }?.json ?? "" }

    private static func value(_ key: String, in json: String) -> String? {
        json.split(separator: "\"\(key)\":\"", maxSplits: 1).dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
    }
}

/// A failure of a lab.
package struct LabFailure: Error, CustomStringConvertible {
    /// What went wrong.
    package let description: String

    /// Makes a failure with this description.
    package init(description: String) { self.description = description }
}

/// Waits until `condition` is true. The time limit only ends a failing test. A test that checks a duration compares the
/// returned one.
/// - Parameters:
///   - seconds: how long it takes at most on an idle machine; the limit is five times as long, because machines can be
///     busy.
///   - message: the failure's description if the condition does not become true.
///   - condition: evaluated every 50 ms.
/// - Returns: how long it took.
/// - Throws: `LabFailure` with `message` when the time is over.
@discardableResult package func until(
    _ seconds: Double, _ message: String, _ condition: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds * 5) {
        if try await condition() { return ContinuousClock.now - start }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw LabFailure(description: message)
}

extension String {
    /// The number of occurrences of `part`.
    package func components(_ part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
