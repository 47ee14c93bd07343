// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// The values of one name and one set of labels.
protocol MetricSeries: AnyObject, Sendable {
    var samples: [MetricSample] { get }
}

/// A counter or gauge.
final class NumberSeries: MetricSeries, CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    var samples: [MetricSample] { [MetricSample(suffix: "", labels: [], value: value.withLock { $0 })] }

    private func add(_ amount: Double) { value.withLock { $0 += amount } }
    func increment(by amount: Int64) { add(Double(amount)) }
    func increment(by amount: Double) { add(amount) }
    func decrement(by amount: Double) { add(-amount) }
    func reset() { set(0.0) }
    func set(_ number: Int64) { set(Double(number)) }
    func set(_ number: Double) { value.withLock { $0 = number } }
    func record(_ number: Int64) { set(Double(number)) }
    func record(_ number: Double) { set(number) }
}

/// A histogram; timers record seconds.
final class HistogramSeries: MetricSeries, RecorderHandler, TimerHandler {
    private struct State {
        var counts: [Int]
        var count = 0
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(_ bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count)))
    }

    var samples: [MetricSample] {
        let state = state.withLock { $0 }
        var samples: [MetricSample] = []
        var below = 0
        for (bound, count) in zip(bounds, state.counts) {
            below += count
            samples.append(bucket(bound, below))
        }
        samples.append(bucket(.infinity, state.count))
        samples.append(MetricSample(suffix: "_sum", labels: [], value: state.sum))
        samples.append(MetricSample(suffix: "_count", labels: [], value: Double(state.count)))
        return samples
    }

    private func bucket(_ bound: Double, _ count: Int) -> MetricSample {
        MetricSample(
            suffix: "_bucket", labels: [MetricLabel(name: "le", value: bound.metricValue)], value: Double(count))
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 }
        state.withLock { state in
            if let index { state.counts[index] += 1 }
            state.count += 1
            state.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
