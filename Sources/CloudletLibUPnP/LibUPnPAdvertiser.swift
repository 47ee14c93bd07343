// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
package import CloudletAdvertising
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSystem
package import Logging
import ServiceLifecycle
import Subprocess
package import SystemPackage

/// Announces the node by SSDP with libupnp, in a separate process for each interface (`UPnPEngineChild`). A process
/// that dies is started again. A process whose interface, address or description changes is replaced, because libupnp
/// can't follow such changes.
///
/// `SearchFilter` selects the searches that libupnp receives. This engine does not support IPv6, random answering
/// times, BOOTID, CONFIGID, `ssdp:update`, or more than one subnet of an interface.
package final class LibUPnPAdvertiser: Advertiser {
    /// Where the node is announced now.
    package let state = CurrentValue(AdvertiserState.starting)

    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let executable: FilePath
    private let logger: Logger
    private let ready = CurrentValue<Set<String>>([])

    /// Creates an advertiser of `record` on `interfaces`. `executable` is the program that calls
    /// `UPnPEngineChild.runIfRequested` first; by default the running one.
    package init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>,
        executable: FilePath = "/proc/self/exe", logger: Logger
    ) {
        self.record = record
        self.interfaces = interfaces
        self.executable = executable
        self.logger = logger
    }

    /// The values of a process; when one of them changes, another process is needed.
    private struct Assignment: Hashable, Sendable {
        let arguments: [String]
        let device: UPnPDevice
        let link: String
    }

    /// The desired state of an interface.
    private enum DesiredState: Hashable, Sendable {
        case process(Assignment)
        /// No process now.
        case nothing
        /// No process any more: the supervision ends.
        case end
    }

    /// Announces until the service is shut down or the task is cancelled; every process then sends goodbyes.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            // Each interface has one process at a time: the goodbye of one must not arrive after the first announcement
            // of the next.
            var running: [String: CurrentValue<DesiredState>] = [:]
            let changes = merge(record.values().map { _ in }, interfaces.values().map { _ in })
            for await _ in changes.cancelOnGracefulShutdown() {
                let wanted = assignments()
                for (interface, current) in running { current.set(wanted[interface].map { .process($0) } ?? .nothing) }
                for (interface, assignment) in wanted where running[interface] == nil {
                    let current = CurrentValue(DesiredState.process(assignment))
                    running[interface] = current
                    group.addTask { await self.supervise(current) }
                }
                report(wanted.isEmpty)
            }
            for current in running.values { current.set(.end) }
        }
        state.set(.stopped)
    }

    /// The assignments of the interfaces, by name.
    private func assignments() -> [String: Assignment] {
        let record = record.value
        let entries = interfaces.value.compactMap { interface -> (String, Assignment)? in
            guard let address = interface.addresses.first(where: \.address.isV4) else { return nil }
            let location = "http://\(Endpoint(address.address, record.httpPort))\(UPnPPath.description)"
            let task = UPnPEngineChild.Task(record, interface: interface, address: address, location: location)
            return (
                "\(interface.index) \(interface.name)",
                Assignment(
                    arguments: task.arguments, device: UPnPDevice(record),
                    link: "\(interface.name) \(address.address)")
            )
        }
        return Dictionary(entries) { first, _ in first }
    }

    /// Keeps a process running in the desired state of an interface, one after the other.
    private func supervise(_ current: CurrentValue<DesiredState>) async {
        var pause = Duration.milliseconds(500)
        for await _ in current.values() {
            while case .process(let assignment) = current.value, !Task.isCancelled {
                let start = ContinuousClock.now
                let reason = await runProcess(assignment, while: current)
                ready.update { $0.remove(assignment.link) }
                guard current.value == .process(assignment), !Task.isCancelled else {
                    // A change of the network often comes with others, for example of several addresses. This pause
                    // lets the next process start with all of them, because each start sends announcements.
                    try? await Task.sleep(for: .milliseconds(300))
                    continue
                }
                logger.warning(
                    "libupnp's process ended; the node will start it again",
                    metadata: ["link": "\(assignment.link)", "reason": "\(reason.displayable())"])
                report(false)
                // An end of the process has no cause that could be waited for, so it is started again after a pause.
                pause = ContinuousClock.now - start > .seconds(60) ? .milliseconds(500) : min(pause * 2, .seconds(10))
                try? await Task.sleep(for: pause)
            }
            if current.value == .end || Task.isCancelled { return }
        }
    }

    /// Runs one process to its end.
    /// - Returns: why it ended.
    private func runProcess(_ assignment: Assignment, while current: CurrentValue<DesiredState>) async -> String {
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
                                if line == "ready" { self.note(assignment.link) }
                            }
                        } catch {}
                        return said
                    }
                    group.addTask {
                        for await wanted in current.values() where wanted != .process(assignment) { break }
                        // The end of its standard input makes the process send goodbyes.
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

    private func note(_ link: String) {
        ready.update { $0.insert(link) }
        report(false)
    }

    private func report(_ hasNoInterface: Bool) {
        let links = ready.value.sorted()
        if !links.isEmpty {
            state.set(.announced(links.joined(separator: ", ")))
        } else {
            state.set(
                .waiting(hasNoInterface ? "no network interface to announce on" : "libupnp's process is starting"))
        }
    }
}
