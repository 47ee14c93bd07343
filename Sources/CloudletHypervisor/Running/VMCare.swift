// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// Watches the VMs of one process: resumes those that were paused because of a full disk when there is space again, and
/// wakes up those whose guests sleep.
final class VMCare: Sendable {
    /// Checks whether the host's memory was recently used up.
    let shortage = MemoryShortage()
    private let connection: LibvirtConnection
    private let isOurs: @Sendable (String) -> Bool
    private let workDirectory: FilePath
    /// Reports an incident.
    let note: @Sendable (VMIncident) -> Void
    private let known = Mutex<[String: Known]>([:])
    /// Names of the VMs whose full disk is being watched.
    private let attended = Mutex<Set<String>>([])

    private struct Known: Sendable {
        weak let machine: VirtualMachine?
    }

    /// How long a guest may sleep.
    private static let pause = Duration.seconds(5)

    private init(
        _ connection: LibvirtConnection, isOurs: @escaping @Sendable (String) -> Bool, workDirectory: FilePath,
        note: @escaping @Sendable (VMIncident) -> Void
    ) {
        self.connection = connection
        self.isOurs = isOurs
        self.workDirectory = workDirectory
        self.note = note
    }

    /// Adds a VM that was started, so that it is resumed through its own queue.
    func add(_ machine: VirtualMachine) {
        known.withLock { known in
            known = known.filter { $0.value.machine != nil }
            known[machine.name] = Known(machine: machine)
        }
    }

    /// Begins to watch. Watching ends when the returned object is released. `isOurs` decides by the name whether a VM
    /// belongs to this process.
    static func begin(
        _ connection: LibvirtConnection, isOurs: @escaping @Sendable (String) -> Bool, workDirectory: FilePath,
        note: @escaping @Sendable (VMIncident) -> Void
    ) -> Running { Running(VMCare(connection, isOurs: isOurs, workDirectory: workDirectory, note: note)) }

    /// The running watch. It ends with the last reference.
    final class Running: Sendable {
        let vms: VMCare
        private let task: Task<Void, Never>

        fileprivate init(_ care: VMCare) {
            vms = care
            // Not a child task: it runs independently of everything else that is done with the VMs.
            task = Task { await care.run() }
        }

        deinit { task.cancel() }
    }

    /// Runs until the task is cancelled.
    private func run() async {
        let events = connection.events.stream()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.shortage.watch() }
            group.addTask { await self.lookAfterLeftovers() }
            for await entry in events where isOurs(entry.name) {
                guard case .lifecycle(let change) = entry.event else { continue }
                if change.isDiskError { group.addTask { await self.attend(to: entry.name) } }
                if change.isSleep { group.addTask { await self.wake(entry.name) } }
            }
            group.cancelAll()
        }
    }

    /// Looks for stalled and sleeping VMs that an earlier process has left, as long as there are any such VMs. libvirt
    /// connects to their emulators in the background and reports no event for the states that it finds.
    private func lookAfterLeftovers() async {
        await withDiscardingTaskGroup { group in
            repeat {
                let leftovers = await leftovers()
                for (name, state) in leftovers ?? [] {
                    if state == .stalled { group.addTask { await self.attend(to: name) } }
                    if state == .asleep { group.addTask { await self.wake(name) } }
                }
                guard leftovers?.isEmpty != true else { break }
            } while (try? await Task.sleep(for: Self.pause)) != nil
            group.cancelAll()
        }
    }

    /// Attends to a VM whose disk can't grow, unless that is being done already.
    private func attend(to name: String) async {
        guard attended.withLock({ $0.insert(name).inserted }) else { return }
        await vm(name).attend { note(.disk($0)) }
        attended.withLock { _ = $0.remove(name) }
    }

    /// The holder's VMs that an earlier process has left, with their states; `nil` when libvirt can't list them.
    private func leftovers() async -> [(name: String, state: LibvirtDomain.State?)]? {
        try? await blocking { [connection, isOurs] () throws(CloudletError) in
            try LibvirtDomain.active(on: connection).filter { isOurs($0.name) && self.machine($0.name) == nil }
                .map { ($0.name, try? $0.state()) }
        }
    }

    /// Wakes up a sleeping guest after a pause, so that a guest that always goes back to sleep is not woken without
    /// end. A guest that can't be woken, for example because it is being ended, is ignored.
    private func wake(_ name: String) async {
        guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
        let isAwake = try? await blocking { [connection] () throws(CloudletError) in
            guard let domain = try LibvirtDomain.active(name, on: connection), try domain.state() == .asleep else {
                return false
            }
            try domain.wakeUp()
            return true
        }
        if isAwake == true { note(.woken(vm: name)) }
    }

    private func vm(_ name: String) -> StalledVM {
        let directory = machine(name)?.resources.disk.removingLastComponent() ?? workDirectory.appending(name)
        return StalledVM(
            name: name, directory: directory,
            state: { [connection] in
                let state = try? await blocking { () throws(CloudletError) in
                    try LibvirtDomain.active(name, on: connection)?.state() ?? .off
                }
                switch state {
                case .stalled, nil: return .stalled
                case .off: return .gone
                default: return .goes
                }
            }, room: { (try? FileSystem.freeSpace(at: directory)) ?? 0 },
            goOn: { [self] () async throws(CloudletError) in
                if let machine = machine(name) { return try await machine.goOn() }
                try await blocking { [connection] () throws(CloudletError) in
                    try LibvirtDomain.active(name, on: connection)?.resume()
                }
            })
    }

    /// The VM with this name, if this process has started it.
    func machine(_ name: String) -> VirtualMachine? { known.withLock { $0[name]?.machine } }
}
