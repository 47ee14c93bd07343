import CloudletCore
import CloudletDescriptors
import CloudletDiscovery
import CloudletHypervisor
import CloudletSession
import CloudletStore
import CloudletSystem
import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// All by which the node is watched and steered: health, metrics, service manager, reloading.
struct Operation: Sendable {
    let routes: OperationRoutes
    private let configuration: NodeConfiguration
    private let budget: ConnectionBudget
    private let hypervisor: Hypervisor
    private let server: SessionServer
    private let policy: LockedValue<Admission.Policy>
    private let standbyPolicy: LockedValue<WarmPool.Policy>
    private let record: CurrentValue<NodeRecord>
    private let health: Health
    private let manager = ServiceManager(environment: ProcessInfo.processInfo.environment)
    private let logger: Logger

    init(
        configuration: NodeConfiguration, budget: ConnectionBudget, registry: NodeRegistry, hypervisor: Hypervisor,
        server: SessionServer, admission: Admission, space: @escaping @Sendable () -> FileSystemSpace?,
        policy: LockedValue<Admission.Policy>, standby: WarmPool,
        standbyPolicy: LockedValue<WarmPool.Policy>,
        record: CurrentValue<NodeRecord>, listening: CurrentValue<Set<String>>, threads: ThreadReserve,
        metrics: NodeMetrics, logger: Logger
    ) {
        self.configuration = configuration
        self.budget = budget
        self.hypervisor = hypervisor
        self.server = server
        self.record = record
        self.policy = policy
        self.standbyPolicy = standbyPolicy
        self.logger = logger
        health = Health(
            [
                Health.Check("threads") { () throws(CloudletError) in
                    if threads.isShort { throw DetachedThread.refusal }
                },
                Health.Check("sessions") { () async throws(CloudletError) in _ = await server.table.statuses() },
                Health.Check("event loops", Self.requireEventLoops),
                Health.Check("listeners") { () async throws(CloudletError) in
                    guard !listening.value.isEmpty else {
                        throw CloudletError(
                            .unavailable, "no address is listened on",
                            advice: "connect a network, or name one with --interface")
                    }
                },
                Health.Check("registry") { () async throws(CloudletError) in
                    if let trouble = registry.troubles.first { throw CloudletError(.unavailable, trouble) }
                },
                Health.Check("disk") { () async throws(CloudletError) in
                    try Self.requireDisk(space(), reserve: policy.value.diskReserve)
                },
                Health.Check("hypervisor") { () async throws(CloudletError) in try await hypervisor.requireAnswer() },
            ], logger: logger)
        routes = OperationRoutes(
            health: health, metrics: metrics, queue: { admission.waiting }, standby: { standby.count }
        ) {
            await server.table.statuses()
        }
    }

    /// Every event loop takes on and does a task.
    private static func requireEventLoops() async throws(CloudletError) {
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
            do { try await loop.submit {}.get() } catch {
                throw CloudletError(.defect, "an event loop does not work", cause: error)
            }
        }
    }

    /// There is room for the smallest overlay beside what is left to the host.
    static func requireDisk(_ space: FileSystemSpace?, reserve: Int) throws(CloudletError) {
        guard let space, space.free - reserve < NodeBackend.scratchBytes else { return }
        throw CloudletError(
            .busy,
            "\(ByteCount(space.free)) are free where VMs write, \(ByteCount(reserve)) are left to the host "
                + "(admission.disk-reserve)", advice: "make room on the disk")
    }

    /// What runs beside the sessions.
    func services(
        _ hangups: UnixSignalsSequence, _ logs: LogOutput,
        _ reload: @escaping @Sendable () async throws(CloudletError) -> NodeConfiguration
    ) -> [any Service] {
        [
            health, RepeatedLineReports(logs: logs),
            ServiceManagerReports(manager: manager, health: health) { await server.table.statuses() },
            Reloading(
                signals: hangups, first: configuration, read: reload, manager: manager, health: health,
                logger: logger,
                apply: { configuration in
                    logs.change(format: configuration.logFormat, level: configuration.logLevel)
                    server.limits.value = budget.bounding(configuration.sessionLimits)
                    policy.value = configuration.admission
                    standbyPolicy.value = configuration.standby
                    record.update { $0.name = configuration.name ?? Node.defaultName }
                }),
        ]
    }

    /// Says with which rights the node runs.
    func logPrivileges() {
        let rights = ProcessRights.current()
        logger.notice(
            "runs with",
            metadata: [
                "user": "\(rights.user)", "capabilities": "\(rights.capabilities)",
                "no-new-privileges": "\(rights.noNewPrivileges)", "seccomp": "\(rights.isFiltered)",
                "accelerator": "\(hypervisor.accelerator.rawValue)",
                "emulator-sandbox": "\(configuration.connect == nil ? "on" : "as libvirt's qemu.conf says")",
                "guest-network": "\(configuration.outboundNetwork ? "open" : "restricted")",
            ])
        if rights.isRoot {
            logger.warning(
                "runs as root without need; a user with access to /dev/kvm is enough, see Descriptors/systemd")
        }
        if configuration.outboundNetwork {
            logger.warning(
                "guests may open connections: they reach all that this machine reaches, its own loopback services too")
        }
    }
}
