// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletHypervisor
import CloudletStore
import Logging

/// Decides which base VMs this node can run. Those that it can't resume get no warm VMs, and their overlays are refused
/// with the reason, unless the client allows the VM to boot and the node can boot it; these are announced apart. Those
/// that it can't even boot are not announced.
actor BaseSupport {
    /// Finds out what this host can do with a base VM. Throws an error if that is not known now.
    typealias Check = @Sendable (BaseVM) async throws(CloudletError) -> MachineSupport

    private struct Verdict {
        let base: BaseVM
        let support: MachineSupport
        let end: ContinuousClock.Instant
    }

    private let check: Check
    private let logger: Logger
    private var verdicts: [SHA256Digest: Verdict] = [:]

    /// How long a verdict is used: another version of QEMU, which may be installed while the node runs, can change it.
    private static let lifetime = Duration.seconds(60)

    init(logger: Logger, _ check: @escaping Check) { (self.check, self.logger) = (check, logger) }

    /// Uses the verdicts of a hypervisor.
    init(on hypervisor: Hypervisor, logger: Logger) {
        self.init(logger: logger) { (base) async throws(CloudletError) in
            try await hypervisor.support(of: base.machine)
        }
    }

    /// What this host can do with a base VM. If that is not known, the base VM counts as one that can be resumed.
    func support(of base: BaseVM, at now: ContinuousClock.Instant = .now) async -> MachineSupport {
        let known = verdicts[base.hash].flatMap { $0.base == base ? $0 : nil }
        if let known, known.end > now { return known.support }
        let support: MachineSupport
        do throws(CloudletError) { support = try await check(base) } catch { return known?.support ?? .resumes }
        // Others may have checked it meanwhile.
        let former = verdicts[base.hash]
        verdicts[base.hash] = Verdict(base: base, support: support, end: now + Self.lifetime)
        report(support, of: base, after: former?.support)
        return support
    }

    private func report(_ support: MachineSupport, of base: BaseVM, after former: MachineSupport?) {
        var metadata: Logger.Metadata = ["base": "\(base.hash.short)", "name": "\(base.files.name)"]
        switch (support, former) {
        case (.boots, .boots), (.refused, .refused), (.resumes, .resumes), (.resumes, nil): return
        case (.resumes, _): logger.notice("a base VM can run on this host now", metadata: metadata)
        case (.boots(let substitute), _):
            metadata["reason"] = "\(substitute.reason)"
            logger.warning(
                "a base VM can only boot on this host; it is announced to clients that allow this",
                metadata: metadata)
        case (.refused(let refusal), _):
            metadata["reason"] = "\(refusal)"
            logger.warning("a base VM can't run on this host and is not announced", metadata: metadata)
        }
    }

    /// Why a base VM can't be resumed here; `nil` if it can, or if that is not known.
    func refusal(of base: BaseVM, at now: ContinuousClock.Instant = .now) async -> CloudletError? {
        await support(of: base, at: now).refusal
    }

    /// The base VMs that can be resumed here, in the same order.
    func supported(_ bases: [BaseVM]) async -> [BaseVM] { await sorted(bases).resumable }

    /// The base VMs to announce, in the same order: those that can be resumed here, and those that can only boot.
    func announced(_ bases: [BaseVM]) async -> (resumable: [HeldBase], bootable: [HeldBase]) {
        let (resumable, bootable) = await sorted(bases)
        func held(_ base: BaseVM) -> HeldBase { HeldBase(hash: base.hash, name: base.files.name) }
        return (resumable.map(held), bootable.map(held))
    }

    private func sorted(_ bases: [BaseVM]) async -> (resumable: [BaseVM], bootable: [BaseVM]) {
        let known = Set(bases.map(\.hash))
        verdicts = verdicts.filter { known.contains($0.key) }
        var (resumable, bootable): ([BaseVM], [BaseVM]) = ([], [])
        for base in bases {
            switch await support(of: base) {
            case .resumes: resumable.append(base)
            case .boots: bootable.append(base)
            case .refused: break
            }
        }
        return (resumable, bootable)
    }

    /// A line about each base VM that can't be resumed here.
    /// - Throws: `CloudletError.unavailable` when there are base VMs, but none of them can be resumed here.
    func warnings(about bases: [BaseVM]) async throws(CloudletError) -> [String] {
        var warnings: [String] = []
        for base in bases {
            let support = await support(of: base)
            guard let refusal = support.refusal else { continue }
            let what = if case .boots = support { "can only boot here" } else { "can't run here" }
            warnings.append("\(base.files.name) (\(base.hash.short)) \(what): \(refusal)")
        }
        guard let first = warnings.first, warnings.count == bases.count else { return warnings }
        throw CloudletError(
            .unavailable, bases.count == 1 ? first : "none of the \(bases.count) can run here; for example, \(first)")
    }
}
