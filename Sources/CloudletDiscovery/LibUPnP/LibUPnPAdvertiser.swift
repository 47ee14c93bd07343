import AsyncAlgorithms
import CloudletCore
public import Logging
import ServiceLifecycle
import Subprocess
public import SystemPackage

/// Announces the node by SSDP with libupnp, one process of its own for each interface (`UPnPEngineChild`). A process
/// that dies is started again; one whose interface, address or description changes is replaced, as libupnp can follow
/// none of these.
///
/// What this engine can't do: IPv6, unicast searches, random answering times, BOOTID, CONFIGID, `ssdp:update`.
public final class LibUPnPAdvertiser: Advertiser {
    /// What is announced where.
    public let state = CurrentValue(AdvertiserState.starting)

    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let executable: FilePath
    private let logger: Logger
    private let ready = CurrentValue<Set<String>>([])

    /// An advertiser of `record` on `interfaces`.
    /// `executable` is the program that calls `UPnPEngineChild.runIfRequested` first; the running one when not given.
    public init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>,
        executable: FilePath = "/proc/self/exe", logger: Logger
    ) {
        self.record = record
        self.interfaces = interfaces
        self.executable = executable
        self.logger = logger
    }

    /// What makes a process another one: where it announces, and what.
    private struct Assignment: Hashable {
        let arguments: [String]
        let device: UPnPDevice
        let place: String
    }

    /// Announces until the service is shut down or the task is cancelled; every process says goodbye.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            var running: [Assignment: CurrentValue<Bool>] = [:]
            let changes = merge(record.values().map { _ in }, interfaces.values().map { _ in })
            for await _ in changes.cancelOnGracefulShutdown() {
                let wanted = Set(assignments())
                for (assignment, isWanted) in running where !wanted.contains(assignment) {
                    isWanted.set(false)
                    running[assignment] = nil
                }
                for assignment in wanted where running[assignment] == nil {
                    let isWanted = CurrentValue(true)
                    running[assignment] = isWanted
                    group.addTask { await self.supervise(assignment, while: isWanted) }
                }
                report(wanted.isEmpty)
            }
            for isWanted in running.values { isWanted.set(false) }
        }
        state.set(.stopped)
    }

    private func assignments() -> [Assignment] {
        let record = record.value
        return interfaces.value.compactMap { interface in
            guard let address = interface.addresses.first(where: \.address.isV4) else { return nil }
            let location = "http://\(address.address):\(record.httpPort)\(UPnPPath.description)"
            let task = UPnPEngineChild.Task(interface: interface, address: address, location: location)
            return Assignment(
                arguments: task.arguments, device: UPnPDevice(record), place: "\(interface.name) \(address.address)")
        }
    }

    /// Keeps one process running.
    private func supervise(_ assignment: Assignment, while isWanted: CurrentValue<Bool>) async {
        var pause = Duration.milliseconds(500)
        while isWanted.value, !Task.isCancelled {
            let start = ContinuousClock.now
            let reason = await runProcess(assignment, while: isWanted)
            ready.update { $0.remove(assignment.place) }
            guard isWanted.value, !Task.isCancelled else { break }
            logger.warning(
                "libupnp's process ended, will start it again",
                metadata: ["place": "\(assignment.place)", "reason": "\(reason.displayable())"])
            report(false)
            pause = ContinuousClock.now - start > .seconds(60) ? .milliseconds(500) : min(pause * 2, .seconds(10))
            try? await Task.sleep(for: pause)
        }
    }

    /// Runs one process to its end.
    /// - Returns: why it ended.
    private func runProcess(_ assignment: Assignment, while isWanted: CurrentValue<Bool>) async -> String {
        var platform = PlatformOptions()
        platform.createSession = true
        platform.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(3))]
        do {
            let result = try await Subprocess.run(
                .path(executable), arguments: Arguments(assignment.arguments), platformOptions: platform,
                input: .inputWriter, output: .sequence, error: .discarded
            ) { execution in
                await withTaskGroup(of: String?.self) { group in
                    group.addTask {
                        var said = ""
                        do {
                            for try await line in execution.standardOutput.strings() {
                                said = line
                                if line == "ready" { self.note(assignment.place) }
                            }
                        } catch {}
                        return said
                    }
                    group.addTask {
                        for await goesOn in isWanted.values() where !goesOn { break }
                        // The end of its input tells the process to say goodbye.
                        try? await execution.standardInputWriter.finish()
                        return nil
                    }
                    var said = ""
                    for await end in group {
                        guard let end else { continue }
                        said = end
                        group.cancelAll()
                    }
                    return said
                }
            }
            return "\(result.terminationStatus) \(result.closureResult)"
        } catch {
            return "\(error)"
        }
    }

    private func note(_ place: String) {
        ready.update { $0.insert(place) }
        report(false)
    }

    private func report(_ hasNoInterface: Bool) {
        let places = ready.value.sorted()
        if !places.isEmpty {
            state.set(.announced(places.joined(separator: ", ")))
        } else {
            state.set(
                .waiting(hasNoInterface ? "no network interface to announce on" : "libupnp's process is starting"))
        }
    }
}
