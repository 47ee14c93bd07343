import CloudletCore
import CloudletHypervisor
import CloudletStore
import Logging

/// Decides which base VMs this node can run. The others are not announced, get no warm VMs, and their overlays are
/// refused with the reason.
actor BaseSupport {
    /// Finds the reason why a base VM can't run here; `nil` if it can. Throws an error if that is not known now.
    typealias Check = @Sendable (BaseVM) async throws(CloudletError) -> CloudletError?

    private struct Verdict {
        let base: BaseVM
        let refusal: CloudletError?
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
            try await hypervisor.refusal(of: base.machine)
        }
    }

    /// Why a base VM can't run here; `nil` if it can, or if that is not known.
    func refusal(of base: BaseVM, at now: ContinuousClock.Instant = .now) async -> CloudletError? {
        let known = verdicts[base.hash].flatMap { $0.base == base ? $0 : nil }
        if let known, known.end > now { return known.refusal }
        let refusal: CloudletError?
        do throws(CloudletError) { refusal = try await check(base) } catch { return known?.refusal }
        // Others may have checked it meanwhile.
        let former = verdicts[base.hash]
        verdicts[base.hash] = Verdict(base: base, refusal: refusal, end: now + Self.lifetime)
        if let refusal, former?.refusal == nil {
            logger.warning(
                "a base VM can't run on this host and is not announced",
                metadata: ["base": "\(base.hash.short)", "name": "\(base.files.name)", "reason": "\(refusal)"])
        } else if refusal == nil, former?.refusal != nil {
            logger.notice("a base VM can run on this host now", metadata: ["base": "\(base.hash.short)"])
        }
        return refusal
    }

    /// The base VMs that can run here, in the same order.
    func supported(_ bases: [BaseVM]) async -> [BaseVM] {
        let known = Set(bases.map(\.hash))
        verdicts = verdicts.filter { known.contains($0.key) }
        var supported: [BaseVM] = []
        for base in bases {
            if await refusal(of: base) == nil { supported.append(base) }
        }
        return supported
    }

    /// A line about each base VM that can't run here.
    /// - Throws: `CloudletError.unavailable` when there are base VMs, but none of them can run here.
    func warnings(about bases: [BaseVM]) async throws(CloudletError) -> [String] {
        var warnings: [String] = []
        for base in bases {
            guard let refusal = await refusal(of: base) else { continue }
            warnings.append("\(base.files.name) (\(base.hash.short)) can't run here: \(refusal)")
        }
        guard let first = warnings.first, warnings.count == bases.count else { return warnings }
        throw CloudletError(
            .unavailable, bases.count == 1 ? first : "none of the \(bases.count) can run here; for example, \(first)")
    }
}
