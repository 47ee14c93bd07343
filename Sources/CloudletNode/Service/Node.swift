import CloudletAdvertising
import CloudletCore
import CloudletDiscovery
import CloudletHypervisor
import CloudletLibUPnP
import CloudletNetwork
import CloudletSession
import CloudletStore
import CloudletSynthesis
package import CloudletSystem
import Foundation
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

/// The daemon: listens for clients, advertises itself, serves description and status, until SIGTERM, SIGINT or SIGQUIT.
package struct Node: Sendable {
    private let configuration: NodeConfiguration
    private let home: CloudletHome
    private let logs: LogOutput
    private let logger: Logger
    private let reload: NodeConfiguration.Reload

    /// A node.
    /// - Parameters:
    ///   - configuration: the settings to start with.
    ///   - home: the state directory.
    ///   - logs: where lines of the log go.
    ///   - reload: reads the settings again.
    package init(
        configuration: NodeConfiguration, home: CloudletHome, logs: LogOutput,
        reload: @escaping NodeConfiguration.Reload
    ) {
        self.configuration = configuration
        self.home = home
        self.logs = logs
        logger = logs.logger()
        self.reload = reload
    }

    /// Runs the node.
    /// - Throws: `CloudletError` when it can't start.
    package func run() async throws {
        // From here on, not only when all is up: a SIGHUP during the start must not end the node.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let registry = NodeRegistry(home.database, logger: logger)
        try await registry.open()
        let sessions = VMSessions()
        let hypervisor = try await openHypervisor(sessions)
        let monitor = try NetworkMonitor(
            policy: InterfacePolicy(names: configuration.interfaces), logger: logger)
        let policy = LockedValue(configuration.admission)
        let work = hypervisor.workDirectory
        let synthesizer = Synthesizer(hypervisor: hypervisor)
        let standbyPolicy = LockedValue(configuration.standby)
        let guestPorts = GuestPorts(isOpen: configuration.lowPorts)
        let options = backendOptions(monitor.interfaces, guestPorts)
        holdThreads(options.threads)
        let standby = WarmPool(
            registry: registry, synthesizer: synthesizer, options: options.machine, policy: { standbyPolicy.value },
            freeMemory: { MemoryFigures.current().available }, logger: logger)
        let relief = Admission.Relief(memory: { standby.memory }, giveWay: standby.giveWay)
        let admission = Admission(policy: { policy.value }, relief: relief) { HostResources.figures(scratch: work) }
        let metrics = NodeMetrics()
        let adopted = try await clearUp(registry, hypervisor, admission, metrics, sessions)
        let confined = !configuration.interfaces.isEmpty
        let configured = try configuration.listeners
        let wanted =
            configured.isEmpty ? [ListenAddress(address: nil, port: NodeRecord.defaultSynthesisPort)] : configured
        let network = monitor.interfaces.value
        let budget = ConnectionBudget(descriptors: DescriptorLimit.current)
        let sockets = try await SynthesisListener.bind(
            wanted, interfaces: network, confined: confined, gate: budget.sessionGate)
        let bound = sockets.mapValues(\.port)
        let port = SynthesisListener.announced(wanted, bound: bound, interfaces: network) ?? wanted[0].port

        let fetch = OverlayFetch(policy: configuration.overlayURLs, directory: work) {
            max(0, HostResources.figures(scratch: work).freeDisk - policy.value.diskReserve)
        }
        let backend = NodeBackend(
            registry: registry, synthesizer: synthesizer, standby: standby, admission: admission, fetch: fetch,
            options: options, metrics: metrics, vms: sessions, logger: logger)
        let server = SessionServer(
            backend: MeasuredBackend(backend: backend, metrics: metrics),
            limits: budget.bounding(configuration.sessionLimits), logger: logger)
        let record = CurrentValue(await makeRecord(registry, hypervisor, port: port))
        let synthesisPorts = Set(bound.values).union(wanted.map(\.port))
        guestPorts.reserve { synthesisPorts.union([record.value.httpPort]) }
        let announcement = Announcement(
            metadata: [
                "name": "\(record.value.name)", "id": "\(record.value.id)", "accelerator": "\(hypervisor.accelerator)",
                "listen": "\(bound.map { "\($0.key.host) port \($0.value)" }.sorted().joined(separator: ", "))",
                "bases": "\(record.value.bases.count)",
            ], logger: logger)
        let listening = CurrentValue(Set(sockets.keys.map(\.host)))
        let operation = Operation(
            configuration: configuration, budget: budget, registry: registry, hypervisor: hypervisor, server: server,
            admission: admission, space: { HostResources.space(of: work) }, policy: policy, standby: standby,
            standbyPolicy: standbyPolicy,
            record: record, listening: listening, threads: options.threads, metrics: metrics, logger: logger)
        operation.logPrivileges()
        let follows = wanted.allSatisfy { $0.address == nil }
        let services: [any Service] =
            [
                monitor, registry,
                SessionJournal(registry: registry, table: server.table, logger: logger),
                RecordKeeper(record: record, registry: registry, table: server.table, logger: logger),
                SynthesisListener(
                    server: server, adopted: adopted, interfaces: monitor.interfaces, first: sockets, follows: follows,
                    wanted: wanted, confined: confined, port: port, gate: budget.sessionGate, bound: listening,
                    logger: logger),
                standby,
            ] + operation.services(hangups, logs, reload)
            + httpServices(record, monitor, server.table, operation, budget)
            + advertisers(record, monitor) + [announcement]
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint, .sigquit], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(30)
        try await ServiceGroup(configuration: group).run()
        logger.notice("node has ended")
    }

    /// Makes the threads that the node will need, and holds some back for when the system gives no more.
    private func holdThreads(_ reserve: ThreadReserve) {
        _ = (WorkerPool.shared, WorkerPool.background)
        reserve.start { [logger] isShort in
            if isShort {
                logger.error("no more clients are served", metadata: ["reason": "\(DetachedThread.refusal)"])
            } else {
                logger.notice("the system allows more threads and processes again")
            }
        }
    }

    private func openHypervisor(_ sessions: VMSessions) async throws(CloudletError) -> Hypervisor {
        let verdict = try await AcceleratorProbe.verdict(cache: home.acceleratorCache)
        let accelerator = MachineDescription.Accelerator(rawValue: configuration.accelerator) ?? verdict.accelerator
        logger.info("accelerator", metadata: ["uses": "\(accelerator)", "reason": "\(verdict.reason)"])
        let root = try await takeRoot()
        return try await Hypervisor.open(root, uri: configuration.connect, accelerator: accelerator) { [logger] in
            sessions.log($0, to: logger)
        }
    }

    /// Takes the directory of the hypervisor. Where a full disk does not let it be furnished the first time, the node waits for
    /// room: it would not get farther by ending.
    private func takeRoot() async throws(CloudletError) -> HypervisorRoot {
        var isTold = false
        while true {
            do throws(CloudletError) { return try HypervisorRoot(under: home.hypervisors, role: .node) } catch {
                let space = HostResources.space(of: home.root)
                guard error.code == .io, let space, space.free < Self.leastRoom else { throw error }
                if !isTold { logger.error("the node waits for room on its disk", metadata: ["reason": "\(error)"]) }
                isTold = true
            }
            await promptSleep(for: .milliseconds(500))
        }
    }

    /// With less the disk counts as full.
    private static let leastRoom = 1 << 20

    /// A node that ended or died before may have left VMs, files and sessions.
    private func clearUp(
        _ registry: NodeRegistry, _ hypervisor: Hypervisor, _ admission: Admission, _ metrics: NodeMetrics,
        _ sessions: VMSessions
    ) async throws(CloudletError) -> [AdoptedSession] {
        let adopted =
            configuration.sessionLimits.keepsVMs
            ? try await Adoption(
                registry: registry, hypervisor: hypervisor, admission: admission, metrics: metrics, vms: sessions,
                logger: logger
            ).sessions() : []
        for name in try await hypervisor.removeLeftovers(except: Set(adopted.map(\.machine.name))) {
            logger.notice("ended a VM that was left behind", metadata: ["vm": "\(name)"])
        }
        await registry.reconcile(keeping: Set(adopted.map(\.status.id)))
        return adopted
    }

    private func backendOptions(
        _ interfaces: CurrentValue<[NetworkInterface]>, _ ports: GuestPorts
    ) -> NodeBackend.Options {
        var options = NodeBackend.Options()
        options.machine.mayOpen = ports.allow
        options.machine.outboundNetwork = configuration.outboundNetwork
        options.readiness = configuration.readiness
        if let configured = configuration.forwardAddress {
            options.forwardAddress = { _ in configured }
        } else {
            options.forwardAddress = { local in
                guard let address = ScopedAddress(local)?.address, !address.isV4 else { return local }
                let interface = interfaces.value.first { $0.addresses.contains { $0.address == address } }
                return interface?.addresses.first { $0.address.isV4 }.map { "\($0.address)" }
            }
        }
        return options
    }

    /// The name of a node without a configured one.
    static var defaultName: String {
        let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? "host"
        return "Cloudlet \(host)"
    }

    private func makeRecord(
        _ registry: NodeRegistry, _ hypervisor: Hypervisor, port: UInt16
    ) async -> NodeRecord {
        let id: NodeID
        do throws(CloudletError) { id = try NodeID.kept(in: home.root) } catch {
            id = .random()
            logger.warning("the node has another id until its next start", metadata: ["reason": "\(error)"])
        }
        return NodeRecord(
            id: id, name: configuration.name ?? Self.defaultName, synthesisPort: port,
            httpPort: configuration.httpPort, bases: (try? await RecordKeeper.bases(registry)) ?? [],
            load: RecordKeeper.load(),
            freeMemory: RecordKeeper.roundedFreeMemory(), features: [hypervisor.accelerator.rawValue])
    }

    private func httpServices(
        _ record: CurrentValue<NodeRecord>, _ monitor: NetworkMonitor, _ table: SessionTable,
        _ operation: Operation, _ budget: ConnectionBudget
    ) -> [any Service] {
        let subscriptions = EventSubscriptions(record: record, logger: logger)
        let router = NodeRouter()
        UPnPRoutes(record: record, subscriptions: subscriptions, interfaces: monitor.interfaces) {
            Self.lines(about: await table.statuses())
        }.add(to: router)
        PresentationPage(record: record).add(to: router)
        operation.routes.add(to: router)
        let server = NodeHTTPServer(
            record: record, interfaces: monitor.interfaces, responder: router.buildResponder(),
            places: budget.http, gate: budget.httpGate, logger: logger)
        return [subscriptions, server]
    }

    /// What anybody on the LAN may know of sessions. Their ids are not part of it: who has one can end the session.
    static func lines(about sessions: [SessionStatus]) -> [String] {
        sessions.enumerated().map { "\($0 + 1) \($1.stage.rawValue) \($1.appName ?? "-")" }
    }

    private func advertisers(_ record: CurrentValue<NodeRecord>, _ monitor: NetworkMonitor) -> [any Service] {
        var advertisers: [any Service] = []
        switch configuration.upnpEngine {
        case "libupnp":
            advertisers.append(LibUPnPAdvertiser(record: record, interfaces: monitor.interfaces, logger: logger))
        case "native":
            advertisers.append(
                SSDPAdvertiser(
                    record: record, interfaces: monitor.interfaces, bootIDs: BootIDs(in: home.root), logger: logger))
        default: break
        }
        if configuration.usesMDNS {
            advertisers.append(
                MDNSAdvertiser(
                    record: record, interfaces: monitor.interfaces, withOldName: configuration.publishesOldName,
                    logger: logger))
        }
        return advertisers
    }
}
