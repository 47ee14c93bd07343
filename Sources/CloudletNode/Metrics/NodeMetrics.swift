// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSynthesis
import CloudletSystem
import CoreMetrics

/// The metrics of the node.
package struct NodeMetrics: Sendable {
    /// The registry that holds the values.
    package let registry: MetricRegistry
    private let received: Counter
    private let boots: Counter

    /// The result of an overlay that a client announced.
    enum SynthesisResult: String, CaseIterable {
        /// The VM ran and has ended.
        case completed
        /// The overlay was refused: its base VM is unknown or unsuitable, or there was no room.
        case refused
        /// The VM could not be started, or its emulator failed.
        case failed
    }

    /// Describes all metrics in `registry`.
    package init(_ registry: MetricRegistry = MetricRegistry()) {
        self.registry = registry
        registry.describe("cloudlet_build_info", "Always 1; the label is the program's version.")
        registry.describe("cloudlet_sessions_total", "Overlays that clients announced, by result.")
        registry.describe("cloudlet_failures_total", "Overlays refused or failed, by the code of the reason.")
        registry.describe("cloudlet_boots_total", "VMs booted because the host can't run them as they were saved.")
        registry.describe("cloudlet_received_bytes_total", "Bytes of overlays received.")
        registry.describe("cloudlet_stage_seconds", "Time that the stages of syntheses took; stages overlap.")
        registry.describe("cloudlet_synthesis_seconds", "Time from an overlay's announcement to the running VM.")
        registry.describe("cloudlet_vms", "VMs that run for sessions.")
        registry.describe("cloudlet_standby_vms", "VMs kept ready to take an overlay.")
        registry.describe("cloudlet_sessions", "Live sessions by what they are doing.")
        registry.describe("cloudlet_queue_length", "Sessions that wait for room.")
        registry.describe("cloudlet_ready", "1 when the node can take on sessions.")
        received = Counter(label: "cloudlet_received_bytes_total", factory: registry)
        boots = Counter(label: "cloudlet_boots_total", factory: registry)
        Meter(label: "cloudlet_build_info", dimensions: [("version", ProgramVersion.text)], factory: registry).set(1)
        for result in SynthesisResult.allCases { counter(of: result).increment(by: 0) }
        boots.increment(by: 0)
        ProcessMetrics.describe(in: registry)
    }

    private func counter(of result: SynthesisResult) -> Counter {
        Counter(label: "cloudlet_sessions_total", dimensions: [("result", result.rawValue)], factory: registry)
    }

    func ended(_ result: SynthesisResult, _ code: CloudletError.Code? = nil) {
        counter(of: result).increment()
        guard let code else { return }
        Counter(label: "cloudlet_failures_total", dimensions: [("code", code.description)], factory: registry)
            .increment()
    }

    /// Counts a VM that was booted instead of being resumed.
    func booted() { boots.increment() }

    /// Counts bytes of overlays.
    func received(bytes: Int) { received.increment(by: bytes) }

    /// Records how long the stages of a synthesis took.
    func synthesized(_ times: StageTimes) {
        for entry in times.entries {
            Timer(
                label: "cloudlet_stage_seconds", dimensions: [("stage", entry.stage.metricLabel)], factory: registry
            ).recordNanoseconds(entry.duration.nanoseconds)
        }
        Timer(label: "cloudlet_synthesis_seconds", factory: registry).recordNanoseconds(times.elapsed.nanoseconds)
    }

    /// Updates the values that are measured when the metrics are read.
    func refresh(_ sessions: [SessionStatus], queue: Int, standby: Int, isReady: Bool) {
        for stage in SynthesisStage.allCases where !stage.isEnded {
            Meter(label: "cloudlet_sessions", dimensions: [("stage", stage.rawValue)], factory: registry)
                .set(sessions.count { $0.stage == stage })
        }
        // This counts the VMs of all sessions, including those that an earlier node began.
        Meter(label: "cloudlet_vms", factory: registry).set(sessions.count { $0.stage == .running })
        Meter(label: "cloudlet_queue_length", factory: registry).set(queue)
        Meter(label: "cloudlet_standby_vms", factory: registry).set(standby)
        Meter(label: "cloudlet_ready", factory: registry).set(isReady ? 1 : 0)
        ProcessMetrics.refresh(in: registry)
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
