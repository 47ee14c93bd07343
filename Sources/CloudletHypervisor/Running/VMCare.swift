import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// Looks after the VMs of one holder as long as there are any, whatever is being done with them: those whose disks can't
/// grow stand still until there is room, and those whose guests sleep are woken up.
final class VMCare: Sendable {
    /// Whether memory was short lately.
    let shortage = MemoryShortage()
    private let connection: LibvirtConnection
    private let isOurs: @Sendable (String) -> Bool
    private let workDirectory: FilePath
    private let note: @Sendable (VMIncident) -> Void
    private let known = Mutex<[String: Known]>([:])
    /// Names of VMs that are being attended to.
    private let attended = Mutex<Set<String>>([])

    private struct Known: Sendable {
        weak let machine: VirtualMachine?
    }

    /// How often VMs are looked at of which no event told: those that an earlier process has left.
    private static let interval = Duration.seconds(5)

    private init(
        _ connection: LibvirtConnection, isOurs: @escaping @Sendable (String) -> Bool, workDirectory: FilePath,
        note: @escaping @Sendable (VMIncident) -> Void
    ) {
        self.connection = connection
        self.isOurs = isOurs
        self.workDirectory = workDirectory
        self.note = note
    }

    /// Notes a VM that was started: it is let go on by way of its own queue.
    func add(_ machine: VirtualMachine) {
        known.withLock { known in
            known = known.filter { $0.value.machine != nil }
            known[machine.name] = Known(machine: machine)
        }
    }

    /// Begins, for as long as somebody keeps what is returned; `isOurs` tells by their names which VMs are the holder's.
    static func begin(
        _ connection: LibvirtConnection, isOurs: @escaping @Sendable (String) -> Bool, workDirectory: FilePath,
        note: @escaping @Sendable (VMIncident) -> Void
    ) -> Running { Running(VMCare(connection, isOurs: isOurs, workDirectory: workDirectory, note: note)) }

    /// The care under way; it ends with the last reference.
    final class Running: Sendable {
        let care: VMCare
        private let task: Task<Void, Never>

        fileprivate init(_ care: VMCare) {
            self.care = care
            // Not a child: it goes on beside all that is done with the VMs.
            task = Task { await care.run() }
        }

        deinit { task.cancel() }
    }

    /// Runs until the task is cancelled.
    private func run() async {
        let (names, listener) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(256))
        connection.tellDiskErrors(to: listener)
        await withDiscardingTaskGroup { group in
            group.addTask {
                repeat {
                    self.shortage.look()
                    for name in await self.names(of: .stalled) { listener.yield(name) }
                    for name in await self.names(of: .asleep) { await self.wake(name) }
                } while (try? await Task.sleep(for: Self.interval)) != nil
            }
            for await name in names where isOurs(name) {
                guard attended.withLock({ $0.insert(name).inserted }) else { continue }
                group.addTask {
                    await self.vm(name).attend { self.note(.disk($0)) }
                    self.attended.withLock { _ = $0.remove(name) }
                }
            }
        }
    }

    /// Names of VMs that are in a state now.
    private func names(of state: LibvirtDomain.State) async -> [String] {
        let found = try? await blocking { [connection, isOurs] () throws(CloudletError) in
            try connection.activeDomains().filter { isOurs($0.name) && (try? $0.state()) == state }.map(\.name)
        }
        return found ?? []
    }

    /// Wakes a guest up that sleeps; one that can't be woken, as it is just being ended, is left.
    private func wake(_ name: String) async {
        let isAwake = try? await blocking { [connection] () throws(CloudletError) in
            guard let domain = try connection.activeDomain(name) else { return false }
            try domain.wakeUp()
            return true
        }
        if isAwake == true { note(.woken(vm: name)) }
    }

    private func vm(_ name: String) -> StalledVM {
        let directory = machine(name)?.diskDirectory ?? workDirectory.appending(name)
        return StalledVM(
            name: name, directory: directory,
            state: { [connection] in
                let state = try? await blocking { () throws(CloudletError) in
                    try connection.activeDomain(name)?.state() ?? .off
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
                    try connection.activeDomain(name)?.resume()
                }
            })
    }

    private func machine(_ name: String) -> VirtualMachine? { known.withLock { $0[name]?.machine } }
}
