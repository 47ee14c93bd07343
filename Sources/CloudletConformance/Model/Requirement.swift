// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// One requirement of the conformance tables, identified by its name.
package struct Requirement: Hashable, Sendable {
    /// Its name in the tables, as in `A01`.
    package let id: String
    /// The rule that must hold.
    package let rule: String
    /// How binding the rule is.
    package let level: Level
    /// The source of the rule.
    package let source: String

    /// How binding a rule is.
    package enum Level: String, Hashable, Sendable, Codable {
        /// Demanded by a specification or by the defence against a known attack.
        case must = "MUST"
        /// Recommended by a specification.
        case should = "SHOULD"
        /// Allowed by a specification.
        case may = "MAY"
        /// Expected by other devices and programs in practice.
        case practice
        /// Keeps a node alive under bad input.
        case robustness
        /// Prevents abuse of a node.
        case security
        /// A policy of this project.
        case policy
        /// A matter of quality.
        case quality
    }

    init(_ id: String, _ level: Level, _ rule: String, _ source: String) {
        self.id = id
        self.rule = rule
        self.level = level
        self.source = source
    }

    /// All requirements in the order of the tables: announcements (A), searches (B), HTTP (C), mDNS (M), both protocols
    /// together (X), and the view of independent stacks (S).
    package static let all = announcements + searches + http + mdns + across + stacks

    /// The requirement with this name; `nil` when there is none.
    package static func named(_ id: String) -> Requirement? { all.first { $0.id == id } }
}
