/// What a search printed.
package struct Search: Sendable {
    /// All of it.
    package let output: String

    /// One event.
    package struct Event: Sendable {
        /// When, from the start.
        package let microseconds: Int
        /// `+` found, `*` changed, `-` lost, `=` quiet.
        package let sign: String
        /// The node.
        package let json: String
        func has(_ text: String) -> Bool { json.contains(text) }
    }

    /// The events in order.
    package var events: [Event] {
        output.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 3).map(String.init)
            guard parts.count >= 3, parts[1] == "us", let time = Int(parts[0]) else { return nil }
            return Event(microseconds: time, sign: parts[2], json: parts.count > 3 ? parts[3] : "")
        }
    }

    /// The ids of nodes reported as found, in order, repetitions included.
    package var found: [String] { events.filter { $0.sign == "+" }.compactMap { Self.value("id", in: $0.json) } }
    /// The ids of nodes reported as lost.
    package var lost: [String] { events.filter { $0.sign == "-" }.compactMap { Self.value("id", in: $0.json) } }
    /// What the last event about a node said.
    package func last(_ id: String) -> String { events.last { $0.has(id) }?.json ?? "" }

    private static func value(_ key: String, in json: String) -> String? {
        json.split(separator: "\"\(key)\":\"", maxSplits: 1).dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
    }
}

/// A lab that could not do what a test wants.
package struct LabFailure: Error, CustomStringConvertible {
    /// What went wrong.
    package let description: String

    /// A failure in words.
    package init(description: String) { self.description = description }
}

/// Waits until `condition` holds. The time bounds what goes wrong and asserts nothing: whoever promises a time compares the
/// one that is returned.
/// - Parameters:
///   - seconds: how long it may take on a machine that does nothing else; five times as long is waited, as machines are busy.
///   - message: what is wrong when it does not come to hold.
///   - condition: looked at every 50 ms.
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
    /// How often `part` occurs.
    package func components(_ part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
