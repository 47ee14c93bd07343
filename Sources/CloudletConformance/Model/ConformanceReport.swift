// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import FoundationEssentials

/// The result of a run: every requirement with its verdict.
package struct ConformanceReport: Hashable, Sendable, Codable {
    /// The node that was checked.
    package var subject: String
    /// One finding for each requirement, in the order of the tables.
    package var findings: [RequirementResult]

    /// The number of findings with a verdict.
    package func count(_ verdict: RequirementResult.Verdict) -> Int { findings.filter { $0.verdict == verdict }.count }

    /// The names of the requirements that failed.
    package var failed: [String] { findings.filter { $0.verdict == .fail }.map(\.id) }

    /// The failed requirements of level MUST.
    package var brokenRules: [RequirementResult] { findings.filter { $0.verdict == .fail && $0.level == .must } }

    /// One line for each requirement: name, level, verdict, rule, evidence. Evidence comes from the network, so its
    /// control characters are escaped.
    package var table: String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        var lines = [subject.displayable(limit: 200), ""]
        for finding in findings {
            lines.append(
                "\(finding.id)  \(pad(finding.level.rawValue, 10))  \(pad(finding.verdict.rawValue, 11))  \(finding.rule)"
            )
            lines.append(String(repeating: " ", count: 5) + finding.evidence.displayable(limit: 400))
        }
        lines.append("")
        lines.append(
            "\(count(.pass)) passed, \(count(.fail)) failed (\(brokenRules.count) of them MUST), "
                + "\(count(.notChecked)) not checked")
        if !failed.isEmpty { lines.append("failed: \(failed.joined(separator: " "))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The report as JSON with sorted keys.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// The report as JUnit XML: one case for each requirement, grouped by table.
    package var junit: String {
        var text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        text +=
            "<testsuite name=\"conformance\" tests=\"\(findings.count)\" failures=\"\(count(.fail))\" "
            + "skipped=\"\(count(.notChecked))\">\n"
        for finding in findings {
            let name = Self.escaped("\(finding.id) \(finding.rule)")
            text += "  <testcase classname=\"conformance.\(finding.id.prefix(1))\" name=\"\(name)\">"
            let evidence = Self.escaped(finding.evidence)
            switch finding.verdict {
            case .pass: text += "<system-out>\(evidence)</system-out>"
            case .fail: text += "<failure type=\"\(finding.level.rawValue)\" message=\"\(evidence)\"/>"
            case .notChecked: text += "<skipped message=\"\(evidence)\"/>"
            }
            text += "</testcase>\n"
        }
        return text + "</testsuite>\n"
    }

    private static func escaped(_ text: String) -> String {
        text.displayable(limit: 1000).map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&quot;"
            default: String(character)
            }
        }.joined()
    }
}
