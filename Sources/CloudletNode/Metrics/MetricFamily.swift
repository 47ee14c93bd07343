// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// All series with the same name.
struct MetricFamily: Sendable {
    /// The types of metrics in the text format.
    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
        case untyped
    }

    var kind: Kind
    var help = ""
    var buckets: [Double] = []
    var series: [[MetricLabel]: any MetricSeries] = [:]

    /// The buckets of a histogram in seconds: from 5 ms, a short stage, to two minutes, an overlay over a slow link.
    static let defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

    /// The lines of the family; empty if it has no series.
    func text(named name: String) -> String {
        guard !series.isEmpty else { return "" }
        let name = name.metricName
        var text = help.isEmpty ? "" : "# HELP \(name) \(help.escapedHelp)\n"
        text += "# TYPE \(name) \(kind.rawValue)\n"
        let ordered = series.map { (labels: $0.key.map(\.text), series: $0.value) }
            .sorted { $0.labels.joined() < $1.labels.joined() }
        for entry in ordered {
            for sample in entry.series.samples {
                let labels = entry.labels + sample.labels.map(\.text)
                let shown = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
                text += "\(name)\(sample.suffix)\(shown) \(sample.value.metricValue)\n"
            }
        }
        return text
    }
}

extension String {
    fileprivate var escapedHelp: String { replacing("\\", with: "\\\\").replacing("\n", with: "\\n") }
}
