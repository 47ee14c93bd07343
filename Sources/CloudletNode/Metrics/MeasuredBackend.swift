// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletWire
import Synchronization

/// Counts the results of the back end that it wraps.
struct MeasuredBackend: SynthesisBackend {
    let backend: any SynthesisBackend
    let metrics: NodeMetrics

    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis {
        do throws(CloudletError) { return try await backend.admit(request, progress: progress) } catch {
            metrics.ended(.refused, error.code)
            throw error
        }
    }

    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM {
        do throws(CloudletError) {
            let machine = try await backend.synthesize(request, boots: boots, from: pieces) { event in
                if case .received(let bytes) = event { metrics.received(bytes: bytes) }
                progress(event)
            }
            if machine.details.boot != nil { metrics.booted() }
            return MeasuredVM(machine: machine, metrics: metrics)
        } catch {
            metrics.ended(.failed, error.code)
            throw error
        }
    }

    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource {
        do throws(CloudletError) { return try await backend.fetch(url, for: client) } catch {
            metrics.ended(.refused, error.code)
            throw error
        }
    }

    func note(_ status: SessionStatus) async { await backend.note(status) }

    func resources() async -> NodeResources { await backend.resources() }
}

/// A VM whose end is counted once.
final class MeasuredVM: SynthesizedVM {
    private let machine: any SynthesizedVM
    private let metrics: NodeMetrics
    private let isCounted = Atomic(false)

    init(machine: any SynthesizedVM, metrics: NodeMetrics) {
        self.machine = machine
        self.metrics = metrics
    }

    var name: String { machine.name }

    var details: ServerMessage.Details { machine.details }

    func end() async throws(CloudletError) {
        try await machine.end()
        guard !isCounted.exchange(true, ordering: .relaxed) else { return }
        metrics.ended(.completed)
    }

    func waitForEnd() async -> CloudletError? {
        let failure = await machine.waitForEnd()
        if let failure, !isCounted.exchange(true, ordering: .relaxed) { metrics.ended(.failed, failure.code) }
        return failure
    }
}
