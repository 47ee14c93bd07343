// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A name and value that distinguish the series of a family.
struct MetricLabel: Hashable, Sendable {
    let name: String
    let value: String

    /// The label as it is written.
    var text: String {
        let escaped = value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return "\(name.metricName.replacing(":", with: "_"))=\"\(escaped)\""
    }
}

/// One value of a series.
struct MetricSample {
    let suffix: String
    let labels: [MetricLabel]
    let value: Double
}

extension String {
    /// The text as a metric name: every character that is not allowed is replaced.
    var metricName: String {
        let mapped = String(
            map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : Character("_") })
        return mapped.first?.isNumber ?? true ? "_" + mapped : mapped
    }
}

extension Double {
    /// The number in a form that Go's parser accepts.
    var metricValue: String {
        if isNaN { return "NaN" }
        if isInfinite { return self < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: self).map { String($0) } ?? String(self)
    }
}
