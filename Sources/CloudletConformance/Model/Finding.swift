/// What the check of a requirement showed.
package struct Finding: Hashable, Sendable, Codable {
    /// The verdicts.
    package enum Verdict: String, Hashable, Sendable, Codable {
        /// The rule holds, as far as it was looked at.
        case pass
        /// It does not.
        case fail
        /// It could not be looked at; the evidence says why.
        case notChecked = "not checked"
    }

    /// The name of the requirement.
    package let id: String
    /// The rule in words.
    package let rule: String
    /// How binding it is.
    package let level: Requirement.Level
    /// The verdict.
    package let verdict: Verdict
    /// What was seen.
    package let evidence: String
}

/// A verdict with what it rests on, before it is filed under its requirement.
struct Outcome: Sendable {
    let verdict: Finding.Verdict
    let evidence: String

    static func pass(_ evidence: String) -> Outcome { Outcome(verdict: .pass, evidence: evidence) }
    static func fail(_ evidence: String) -> Outcome { Outcome(verdict: .fail, evidence: evidence) }
    static func notChecked(_ why: String) -> Outcome { Outcome(verdict: .notChecked, evidence: why) }

    /// A pass when `condition` holds, with one piece of evidence for both cases.
    static func of(_ condition: Bool, _ evidence: String) -> Outcome { condition ? pass(evidence) : fail(evidence) }

    /// This and what another check of the same requirement showed: a rule that was seen broken is broken.
    func followed(by other: Outcome) -> Outcome {
        verdict == .fail || other.verdict == .notChecked && verdict == .pass ? self : other
    }

    /// The first of several conditions that does not hold, or a pass.
    static func all(_ conditions: [(Bool, String)], _ evidence: String) -> Outcome {
        let broken = conditions.filter { !$0.0 }.map(\.1)
        return broken.isEmpty ? pass(evidence) : fail(broken.joined(separator: "; "))
    }
}

/// Verdicts by the names of requirements.
typealias Outcomes = [String: Outcome]
