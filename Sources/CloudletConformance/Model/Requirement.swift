/// One requirement of the conformance tables, checked by its name.
package struct Requirement: Hashable, Sendable {
    /// Its name in the tables, as in `A01`.
    package let id: String
    /// What must hold.
    package let rule: String
    /// How binding it is.
    package let level: Level
    /// Where it comes from.
    package let source: String

    /// How binding a rule is.
    package enum Level: String, Hashable, Sendable, Codable {
        /// A specification demands it, or a defence against a known attack does.
        case must = "MUST"
        /// A specification recommends it.
        case should = "SHOULD"
        /// A specification allows it.
        case may = "MAY"
        /// What peers expect in practice.
        case practice
        /// What keeps a node alive under bad input.
        case robustness
        /// What keeps a node from being abused.
        case security
        /// This project's own policy.
        case policy
        /// How good it is.
        case quality
    }

    init(_ id: String, _ level: Level, _ rule: String, _ source: String) {
        self.id = id
        self.rule = rule
        self.level = level
        self.source = source
    }

    /// All requirements in the order of the tables: announcements (A), searches (B), HTTP (C), mDNS (M), both together (X),
    /// and as independent stacks see it (S).
    package static let all = announcements + searches + http + mdns + across + stacks

    /// The requirement with this name.
    package static func named(_ id: String) -> Requirement? { all.first { $0.id == id } }
}
