// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The result of the check of a requirement.
package struct RequirementResult: Hashable, Sendable, Codable {
    /// The verdicts.
    package enum Verdict: String, Hashable, Sendable, Codable {
        /// The rule holds, as far as it was checked.
        case pass
        /// The rule is broken.
        case fail
        /// The rule could not be checked; the evidence says why.
        case notChecked = "not checked"
    }

    /// The name of the requirement.
    package let id: String
    /// The rule in words.
    package let rule: String
    /// How binding the rule is.
    package let level: Requirement.Level
    /// The verdict.
    package let verdict: Verdict
    /// The observation that led to the verdict.
    package let evidence: String
}

/// A verdict with its evidence, without the requirement that it belongs to.
struct Outcome: Sendable {
    let verdict: RequirementResult.Verdict
    let evidence: String

    static func pass(_ evidence: String) -> Outcome { Outcome(verdict: .pass, evidence: evidence) }
    static func fail(_ evidence: String) -> Outcome { Outcome(verdict: .fail, evidence: evidence) }
    static func notChecked(_ why: String) -> Outcome { Outcome(verdict: .notChecked, evidence: why) }

    /// A pass when `condition` holds, otherwise a failure, with the same evidence.
    static func of(_ condition: Bool, _ evidence: String) -> Outcome { condition ? pass(evidence) : fail(evidence) }

    /// Combines this with the result of another check of the same requirement: one failure makes the requirement fail.
    func followed(by other: Outcome) -> Outcome {
        verdict == .fail || other.verdict == .notChecked && verdict == .pass ? self : other
    }

    /// A failure with the first of several conditions that does not hold, otherwise a pass.
    static func all(_ conditions: [(Bool, String)], _ evidence: String) -> Outcome {
        let broken = conditions.filter { !$0.0 }.map(\.1)
        return broken.isEmpty ? pass(evidence) : fail(broken.joined(separator: "; "))
    }
}

/// Outcomes by the names of requirements.
typealias Outcomes = [String: Outcome]
