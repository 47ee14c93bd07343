// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import CoreMetrics
import Synchronization
import Testing

@testable import CloudletNode
@testable import CloudletSession

/// The text format, and what is counted.
@Suite struct MetricsTests {
    @Test("every kind of metric is readable by Prometheus, whatever its labels hold")
    func format() async throws {
        let registry = MetricRegistry()
        registry.describe("a_total", "Backslash \\ and\nnew line.")
        Counter(label: "a_total", dimensions: [("path", "C:\\x \"y\"\nz"), ("ü", "ü")], factory: registry)
            .increment(by: 3)
        Counter(label: "a_total", factory: registry).increment()
        Counter(label: "a_total", factory: registry).increment()
        FloatingPointCounter(label: "1.odd-name", factory: registry).increment(by: 0.25)
        Meter(label: "level", factory: registry).set(-1e-7)
        Meter(label: "endless", factory: registry).set(Double.infinity)
        Meter(label: "none", factory: registry).set(Double.nan)
        registry.describe("took_seconds", "Time.", buckets: [0.1, 1])
        for milliseconds in [50, 100, 700, 4000] {
            Timer(label: "took_seconds", dimensions: [("stage", "a")], factory: registry)
                .recordNanoseconds(Int64(milliseconds) * 1_000_000)
        }
        Recorder(label: "size", factory: registry).record(7)
        let samples = try await MetricsReader.samples(in: registry.text)
        #expect(samples["a_total"] == 2)
        #expect(samples[#"a_total{path="C:\\x \"y\"\nz",_="ü"}"#] == 3)
        #expect(samples["_1_odd_name"] == 0.25 && samples["level"] == -1e-7 && samples["endless"] == .infinity)
        #expect(samples[#"took_seconds_bucket{stage="a",le="0.1"}"#] == 2)
        #expect(samples[#"took_seconds_bucket{stage="a",le="1"}"#] == 3)
        #expect(samples[#"took_seconds_count{stage="a"}"#] == 4 && samples[#"took_seconds_sum{stage="a"}"#] == 4.85)
        #expect(samples[#"size_bucket{le="10"}"#] == 1)
        #expect(registry.text.contains(#"# HELP a_total Backslash \\ and\nnew line."#))
    }

    @Test("a second kind under a name does not spoil the page, and a metric is one however often it is made")
    func kinds() async throws {
        let registry = MetricRegistry()
        Counter(label: "x", factory: registry).increment()
        Timer(label: "x", factory: registry).recordNanoseconds(1)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { Counter(label: "x", factory: registry).increment() } }
            }
        }
        #expect(try await MetricsReader.samples(in: registry.text) == ["x": 8001])
    }

    @Test("refusals, failures and VMs are counted by what became of them")
    func sessions() async throws {
        let metrics = NodeMetrics()
        let request = SynthesisRequest.example
        let busy = MeasuredBackend(backend: OneAnswerBackend(.failure(CloudletError(.busy, "full"))), metrics: metrics)
        await #expect(throws: CloudletError.self) { _ = try await busy.admit(request) { _ in } }
        await #expect(throws: CloudletError.self) {
            _ = try await busy.synthesize(request, boots: false, from: BlobChannel()) { _ in }
        }
        let good = MeasuredBackend(backend: OneAnswerBackend(.success(NoVM())), metrics: metrics)
        _ = try await good.admit(request) { _ in }
        let vm = try await good.synthesize(request, boots: false, from: BlobChannel()) { _ in }
        metrics.refresh([], queue: 0, standby: 0, isReady: true)
        var samples = try await MetricsReader.samples(in: metrics.registry.text)
        #expect(samples[#"cloudlet_sessions_total{result="completed"}"#] == 0)
        try await vm.end()
        try await vm.end()
        samples = try await MetricsReader.samples(in: metrics.registry.text)
        #expect(samples[#"cloudlet_sessions_total{result="completed"}"#] == 1)
        #expect(samples[#"cloudlet_sessions_total{result="refused"}"#] == 1)
        #expect(samples[#"cloudlet_sessions_total{result="failed"}"#] == 1)
        #expect(samples[#"cloudlet_failures_total{code="busy"}"#] == 2)
        #expect(samples["cloudlet_ready"] == 1 && samples["cloudlet_queue_length"] == 0)
        #expect(samples[#"cloudlet_build_info{version="1.0.0"}"#] == 1)
    }

    @Test("a VM whose emulator fails is counted as failed, once, and not as completed")
    func failedVM() async throws {
        let metrics = NodeMetrics()
        let failing = NoVM(failure: CloudletError(.unavailable, "the emulator crashed"))
        let backend = MeasuredBackend(backend: OneAnswerBackend(.success(failing)), metrics: metrics)
        let vm = try await backend.synthesize(.example, boots: false, from: BlobChannel()) { _ in }
        #expect(await vm.waitForEnd()?.message == "the emulator crashed")
        try await vm.end()
        let samples = try await MetricsReader.samples(in: metrics.registry.text)
        #expect(samples[#"cloudlet_sessions_total{result="completed"}"#] == 0)
        #expect(samples[#"cloudlet_sessions_total{result="failed"}"#] == 1)
        #expect(samples[#"cloudlet_failures_total{code="unavailable"}"#] == 1)
    }

    @Test("VMs that were booted instead of being resumed are counted")
    func boots() async throws {
        let metrics = NodeMetrics()
        for boot in [nil, BootReport(reason: "made under kvm")] {
            let vm = NoVM(details: .init(boot: boot))
            let backend = MeasuredBackend(backend: OneAnswerBackend(.success(vm)), metrics: metrics)
            _ = try await backend.synthesize(.example, boots: boot != nil, from: BlobChannel()) { _ in }
            let samples = try await MetricsReader.samples(in: metrics.registry.text)
            #expect(samples["cloudlet_boots_total"] == (boot == nil ? 0 : 1))
        }
    }

    @Test("bytes of overlays are counted once, as they are received, and passed on to the session")
    func receivedBytes() async throws {
        let metrics = NodeMetrics()
        let backend = MeasuredBackend(backend: OneAnswerBackend(.success(NoVM()), receives: [3, 4]), metrics: metrics)
        let passedOn = Mutex<[SynthesisProgress]>([])
        _ = try await backend.synthesize(.example, boots: false, from: BlobChannel()) { event in
            passedOn.withLock { $0.append(event) }
        }
        #expect(passedOn.withLock { $0 } == [.received(bytes: 3), .received(bytes: 4)])
        #expect(try await MetricsReader.samples(in: metrics.registry.text)["cloudlet_received_bytes_total"] == 7)
    }

    @Test("the process's own figures are those the kernel tells")
    func process() async throws {
        let metrics = NodeMetrics()
        metrics.refresh([], queue: 0, standby: 0, isReady: false)
        let samples = try await MetricsReader.samples(in: metrics.registry.text)
        let page = try #require(samples["process_resident_memory_bytes"])
        #expect(page > 4e6 && page < 64e9)
        #expect(samples["process_threads"] ?? 0 >= 1 && samples["process_open_fds"] ?? 0 >= 3)
        #expect(samples["process_cpu_seconds_total"] ?? -1 >= 0)
        let now = try await Tool.run("date", ["+%s"])
        let age = (Double(now.output.filter(\.isNumber)) ?? 0) - (samples["process_start_time_seconds"] ?? 0)
        #expect(age > -2 && age < 86_400)
    }
}

/// A back end that gives one answer to everything.
struct OneAnswerBackend: SynthesisBackend {
    let answer: Result<any SynthesizedVM, CloudletError>
    let received: [Int]

    /// Gives `answer`; each synthesis reports first that it has received so many bytes.
    init(_ answer: Result<any SynthesizedVM, CloudletError>, receives received: [Int] = []) {
        (self.answer, self.received) = (answer, received)
    }

    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis {
        _ = try answer.get()
        return AdmittedSynthesis(Reservation {})
    }

    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM {
        for bytes in received { progress(.received(bytes: bytes)) }
        return try answer.get()
    }

    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource {
        throw CloudletError(.unavailable, "nothing is fetched")
    }

    func note(_ status: SessionStatus) async {}

    func resources() async -> NodeResources { NodeResources() }
}

private struct NoVM: SynthesizedVM {
    var failure: CloudletError?
    var name: String { "" }
    var details = ServerMessage.Details()
    func end() async {}
    func waitForEnd() async -> CloudletError? { failure }
}

extension SynthesisRequest {
    /// A wish that no back end of these tests looks at.
    fileprivate static let example = SynthesisRequest(
        session: .random(),
        meta: OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20, blobs: []),
        client: "127.0.0.1", localAddress: "127.0.0.1", appName: nil, options: SynthesisOptions(), moveForwards: false,
        allowsBoot: false)
}
