// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletNetwork
import CloudletOverlay
import CloudletSession
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import CloudletWire
import Logging

/// Executes the requests of sessions: finds the base VM, rebuilds and resumes the VM, and ends it.
struct NodeBackend: SynthesisBackend {
    private let registry: NodeRegistry
    private let synthesizer: Synthesizer
    private let pool: WarmPool
    private let options: Options
    private let admission: Admission
    private let overlayFetch: OverlayFetch
    private let metrics: NodeMetrics
    private let vms: VMSessions
    private let logger: Logger

    /// Options for running VMs.
    struct Options: Sendable {
        /// Maps the node's address that a client used to the IPv4 address on which its forwards listen; `nil` if there
        /// is none.
        var forwardAddress: @Sendable (String) -> String? = { IPAddress($0)?.isV4 == true ? $0 : nil }
        /// The options that all VMs have in common.
        var machine = VMOptions()
        /// Reports when the system can't provide more threads.
        var threads = ThreadReserve()

        /// Creates options: forwards listen on the address that the client used, and guests have no network.
        init() {}
    }

    /// Creates a back end. VMs are started by the synthesizer of `pool`.
    init(
        registry: NodeRegistry, pool: WarmPool, admission: Admission, fetch: OverlayFetch, options: Options,
        metrics: NodeMetrics, vms: VMSessions, logger: Logger
    ) {
        self.vms = vms
        overlayFetch = fetch
        self.admission = admission
        self.registry = registry
        synthesizer = pool.synthesizer
        self.pool = pool
        self.options = options
        self.metrics = metrics
        self.logger = logger
    }

    /// Refuses overlays whose base VM is missing, does not match or can't run here. If there is no room, waits for it. An
    /// overlay whose state can't be resumed here is admitted if its VM can boot and the client allows it.
    func admit(
        _ request: SynthesisRequest, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> AdmittedSynthesis {
        try DescriptorLimit.requireRoom(for: Self.filesOfVM)
        // Without threads, neither an emulator nor the rebuilding of a VM can start.
        try options.threads.requireThreads()
        let base = try await base(of: request.meta)
        let start = try await start(of: base, request)
        let address = try forwardAddress(for: request)
        if !request.meta.forwards.isEmpty { try ForwardAddress.require(address) }
        try Synthesizer.requireForwards(request.meta, options.machine)
        _ = try machineOptions(for: request).forwarding.permitted(request.meta.forwards)
        let need = Admission.Need(
            memory: (start.substitute?.machine ?? base.machine).hostBytes,
            disk: Synthesizer.diskBytes(for: request.meta, on: base.machine).addedOrMost(Self.scratchBytes))
        let reservation = try await admission.enter(client: request.client, need: need) {
            progress(.waiting(position: $0))
        }
        return AdmittedSynthesis(reservation, boots: start.substitute != nil)
    }

    /// How the VM of an overlay of this base VM begins to run here.
    private func start(
        of base: OpenBase, _ request: SynthesisRequest
    ) async throws(CloudletError) -> SynthesisStart {
        try SynthesisStart(await pool.support.support(of: base.record), allowingBoot: request.allowsBoot)
    }

    /// The files and connections that a synthesis and its VM may have open, with a margin for the node itself.
    private static let filesOfVM = 64
    /// Disk space for logs and small files, in bytes.
    static let scratchBytes = 16 << 20

    /// Looks up the base VM each time, so that one that was just added is found.
    private func base(of meta: OverlayMeta) async throws(CloudletError) -> OpenBase {
        let bases = try await registry.bases()
        guard let record = bases.first(where: { $0.hash == meta.baseHash }) else {
            let known = bases.map { "\($0.files.name) (\($0.hash.short))" }
            throw CloudletError(
                .notFound,
                "No matching Base VM: the overlay needs \(meta.baseHash.short), this node has "
                    + (known.isEmpty ? "none" : known.joined(separator: ", ")))
        }
        let base = try await OpenBase.open(record, in: registry)
        try Synthesizer.requireMatch(meta, base)
        return base
    }

    /// Rebuilds the VM, and resumes or boots it.
    func synthesize(
        _ request: SynthesisRequest, boots: Bool, from pieces: BlobChannel,
        progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> any SynthesizedVM {
        let base = try await base(of: request.meta)
        let start = try await start(of: base, request)
        guard !boots || start.substitute != nil else {
            // The memory of the overlay does not arrive.
            throw CloudletError(
                .busy, "what this host can run has changed since the overlay was announced", advice: "try again")
        }
        var how = machineOptions(for: request)
        how.forwarding.address = try forwardAddress(for: request)
        let times = StageTimes { stage in
            logger.debug("stage begins", metadata: ["session": "\(request.session)", "stage": "\(stage.rawValue)"])
        }
        let running = try await pool.withWarmVM(of: base) { (warm) async throws(CloudletError) in
            try await synthesizer.synthesize(
                request.meta, on: base, from: pieces, how, start: start, using: warm, times: times,
                progress: progress)
        }
        metrics.synthesized(times)
        let stages = times.entries.map { "\($0.stage.rawValue) \($0.duration.shown)" }.joined(separator: ", ")
        logger.info(
            "synthesized",
            metadata: ["session": "\(request.session)", "time": "\(times.elapsed.shown)", "stages": "\(stages)"])
        let metadata: Logger.Metadata = ["session": "\(request.session)", "vm": "\(running.machine.name)"]
        running.boot?.log(to: logger, metadata)
        running.refresh.report(to: logger, metadata)
        vms.set(running.machine.name, request.session)
        return NodeVM(running, on: synthesizer.hypervisor, vms: vms)
    }

    private func machineOptions(for request: SynthesisRequest) -> VMOptions {
        var how = options.machine
        how.forwarding.movesTaken = request.moveForwards
        return how
    }

    /// QEMU forwards from IPv4 addresses only; a client that connected over IPv6 finds its ports at the IPv4 address of
    /// the same interface.
    private func forwardAddress(for request: SynthesisRequest) throws(CloudletError) -> String {
        let local = request.localAddress
        if let address = options.forwardAddress(local) { return address }
        guard request.meta.forwards.isEmpty else {
            throw CloudletError(
                .unavailable,
                "the node has no IPv4 address where you reached it (\(local)), and ports can only be "
                    + "forwarded from one", advice: "connect by IPv4")
        }
        return "127.0.0.1"
    }

    /// Fetches an overlay package.
    func fetch(_ url: String, for client: String) async throws(CloudletError) -> OverlaySource {
        let admitted = try admission.beginFetch(client: client)
        defer { admitted.reservation.release() }
        return try await overlayFetch.fetch(url, for: client, makeRoom: admitted.makeRoom)
    }

    /// Records the session in the registry. If that is not possible now, it is done later, because the client should
    /// not wait for it and the VM should not be ended.
    func note(_ status: SessionStatus) async {
        registry.put([SessionJournal.record(status)])
        await registry.flush()
    }

    /// The machine's resources.
    func resources() async -> NodeResources { HostResources.current() }
}
