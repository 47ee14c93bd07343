// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletWire
import Synchronization

/// A backend that swallows blobs and runs VMs that are nothing, to provoke what real ones can't be made to do.
final class FakeBackend: SynthesisBackend {
    struct State {
        var received: [Int: [UInt8]] = [:]
        var running = 0
        var ended = 0
        /// Most VMs that ran at a time.
        var most = 0
        var failure: CloudletError?
        var refusal: CloudletError?
        /// Why VMs boot whose clients allow it.
        var boot: BootReport?
        var cancelled = 0
        var places = 0
        var atURL: OverlaySource?
        var noted: [SynthesisStage] = []
        var machines: [FakeVM] = []
        /// How often the machine's figures were asked for, and the processor time each takes.
        var asked = 0
        var effort = Duration.zero
        /// How long a VM takes to end.
        var ending = Duration.zero
        /// How many attempts to end a VM fail.
        var failingEnds = 0
    }

    let state = Mutex(State())

    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis {
        if let refusal = state.withLock(\.refusal) { throw refusal }
        let boots = state.withLock { state in
            state.places += 1
            return state.boot != nil && request.allowsBoot
        }
        return AdmittedSynthesis(Reservation { self.state.withLock { $0.places -= 1 } }, boots: boots)
    }

    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM {
        do {
            var current = 0
            for try await piece in pieces {
                switch piece {
                case .begin(let index):
                    current = index
                    state.withLock { $0.received[index] = [] }
                case .bytes(let bytes):
                    state.withLock { $0.received[current, default: []] += bytes }
                    progress(.received(bytes: bytes.count))
                case .end: break
                }
            }
            try Task.checkCancellation()
            progress(.resuming)
            if let failure = state.withLock(\.failure) { throw failure }
        } catch let error as CloudletError {
            state.withLock { $0.cancelled += 1 }
            throw error
        } catch {
            state.withLock { $0.cancelled += 1 }
            throw CloudletError(.interrupted, "interrupted")
        }
        let machine = FakeVM(self, request.localAddress, boots ? state.withLock(\.boot) : nil)
        state.withLock {
            $0.running += 1
            $0.most = max($0.most, $0.running)
            $0.machines.append(machine)
        }
        return machine
    }

    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource {
        guard let overlay = state.withLock(\.atURL), url == "http://here/overlay.zip" else {
            throw CloudletError(.permission, "not from there")
        }
        return overlay
    }

    func note(_ status: SessionStatus) async { state.withLock { $0.noted.append(status.stage) } }

    func resources() async -> NodeResources {
        let effort = state.withLock { state in
            state.asked += 1
            return state.effort
        }
        let end = ContinuousClock.now + effort
        while ContinuousClock.now < end {}
        var resources = NodeResources()
        resources.totalMemoryMiB = 4096
        return resources
    }
}

final class FakeVM: SynthesizedVM {
    let name = "fake"
    let details: ServerMessage.Details
    private let backend: FakeBackend
    private let mailbox = Mailbox<CloudletError>()

    init(_ backend: FakeBackend, _ address: String, _ boot: BootReport? = nil) {
        self.backend = backend
        let forward = PortForward(hostPort: 2222, guestPort: 22)
        details = .init(forwards: [.init(address: address, forward: forward)], boot: boot)
    }

    func end() async throws(CloudletError) {
        let fails = backend.state.withLock { state in
            guard state.failingEnds > 0 else { return false }
            state.failingEnds -= 1
            return true
        }
        if fails { throw CloudletError(.unavailable, "its emulator does not react") }
        // The time that ending a VM takes is what tests of the end of sessions vary.
        let ending = backend.state.withLock(\.ending)
        if ending > .zero { try? await Task.sleep(for: ending) }
        backend.state.withLock {
            $0.running -= 1
            $0.ended += 1
        }
        mailbox.finish()
    }

    /// Breaks down.
    func fail(_ reason: CloudletError) { mailbox.put(reason) }

    func waitForEnd() async -> CloudletError? { try? await mailbox.next() }
}
