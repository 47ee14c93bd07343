// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage

/// Reads metrics with a strict, independent parser.
package enum MetricsReader {
    /// The samples of a page in Prometheus's text format, by name and labels as written on the page.
    /// - Throws: `LabFailure` that describes the error in the page.
    package static func samples(in text: String) async throws -> [String: Double] {
        let reader = Repository.root.appending("Tests/CloudletNodeTests/Reference/metrics_reader.py").string
        let result = try await Tool.run("/usr/bin/python3", [reader], input: text)
        guard result.status == 0 else { throw LabFailure(description: "\(result.errors)\n\(text)") }
        let words = try JSONDecoder().decode([String: String].self, from: Data(result.output.utf8))
        return words.compactMapValues { Double($0) }
    }
}
