// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CoreMetrics

/// Metrics of this process, with the names that Prometheus's own libraries use.
enum ProcessMetrics {
    static func describe(in registry: MetricRegistry) {
        registry.describe("process_resident_memory_bytes", "Resident memory size in bytes.")
        registry.describe("process_virtual_memory_bytes", "Virtual memory size in bytes.")
        registry.describe("process_open_fds", "Number of open file descriptors.")
        registry.describe("process_threads", "Number of threads.")
        registry.describe("process_cpu_seconds_total", "Processor time spent, in seconds.")
        registry.describe("process_start_time_seconds", "Start of the process, seconds since 1970.")
    }

    /// The figures are cached, because reading them needs several files in /proc and takes longer the more files are
    /// open.
    private static let figures = Cached(for: .milliseconds(500)) { ProcessFigures.current() }

    static func refresh(in registry: MetricRegistry) {
        guard let figures = figures.value else { return }
        Meter(label: "process_resident_memory_bytes", factory: registry).set(figures.residentBytes)
        Meter(label: "process_virtual_memory_bytes", factory: registry).set(figures.virtualBytes)
        Meter(label: "process_open_fds", factory: registry).set(figures.openFiles)
        Meter(label: "process_threads", factory: registry).set(figures.threads)
        Meter(label: "process_start_time_seconds", factory: registry).set(figures.started)
        registry.setCounter("process_cpu_seconds_total", to: figures.processorSeconds)
    }
}

extension MetricRegistry {
    /// Sets a counter whose value comes from elsewhere, here from the kernel.
    fileprivate func setCounter(_ name: String, to value: Double) {
        (makeCounter(label: name, dimensions: []) as? NumberSeries)?.set(value)
    }
}
