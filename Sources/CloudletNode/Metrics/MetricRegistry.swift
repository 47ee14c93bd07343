// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CoreMetrics
import Synchronization

/// Collects the metrics of the process and writes them in Prometheus's text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats). It is a back end of swift-metrics.
///
/// Families are described once, before their first sample; a metric without a description keeps the kind with which it
/// was created. Names and labels come from our code, never from a client, so the number of series is bounded.
package final class MetricRegistry: MetricsFactory, Sendable {
    private let families = Mutex<[String: MetricFamily]>([:])

    /// Creates an empty registry.
    package init() {}

    /// Describes a metric.
    /// - Parameters:
    ///   - name: the metric's name.
    ///   - help: its meaning in one line.
    ///   - buckets: upper bounds of a histogram's buckets, ascending, in the metric's unit.
    package func describe(_ name: String, _ help: String, buckets: [Double] = []) {
        families.withLock { families in
            families[name, default: MetricFamily(kind: .untyped)].help = help
            families[name]?.buckets = buckets
        }
    }

    /// The names of all families.
    var names: [String] { families.withLock { $0.keys.sorted() } }

    /// All metrics as text, families and series in a fixed order.
    package var text: String {
        families.withLock { $0 }.sorted { $0.key < $1.key }.map { $1.text(named: $0) }.joined()
    }

    private func series<Series: MetricSeries>(
        _ name: String, _ dimensions: [(String, String)], _ kind: MetricFamily.Kind, _ make: ([Double]) -> Series
    ) -> Series {
        let labels = dimensions.map { MetricLabel(name: $0.0, value: $0.1) }
        return families.withLock { families in
            var family = families[name] ?? MetricFamily(kind: kind)
            if family.series.isEmpty { family.kind = kind }
            if let known = family.series[labels] as? Series { return known }
            let series = make(family.buckets.isEmpty ? MetricFamily.defaultBuckets : family.buckets)
            // A name has only one kind. A series of another kind under it would make the whole page invalid, so it is
            // left out.
            if family.kind == kind { family.series[labels] = series }
            families[name] = family
            return series
        }
    }

    // MARK: - swift-metrics

    /// A counter.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { _ in NumberSeries() }
    }

    /// A counter of fractions.
    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { series(label, dimensions, .counter) { _ in NumberSeries() } }

    /// A gauge.
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { _ in NumberSeries() }
    }

    /// A histogram, or a gauge if the recorder does not aggregate.
    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? series(label, dimensions, .histogram) { HistogramSeries($0) }
            : series(label, dimensions, .gauge) { _ in NumberSeries() }
    }

    /// A histogram of seconds.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram) { HistogramSeries($0) }
    }

    /// Does nothing: a series is kept, because a counter that disappears and returns looks like a restart.
    package func destroyCounter(_ handler: any CounterHandler) {}
    /// Does nothing, as for counters.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// Does nothing, as for counters.
    package func destroyMeter(_ handler: any MeterHandler) {}
    /// Does nothing, as for counters.
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Does nothing, as for counters.
    package func destroyTimer(_ handler: any TimerHandler) {}
}
