import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// Looks after the VMs of one holder as long as there are any, whatever is being done with them: those whose disks can't
/// grow stand still until there is room.
final class VMCare: Sendable {
    /// Whether memory was short lately.
    let shortage = MemoryShortage()
    private let connection: LibvirtConnection
    private let prefix: String
    private let workDirectory: FilePath
    private let note: @Sendable (FullDisk) -> Void
    private let known = Mutex<[String: Known]>([:])
    /// Names of VMs that are being attended to.
    private let attended = Mutex<Set<String>>([])

    private struct Known: Sendable {
        weak let machine: VirtualMachine?
    }

    /// How often VMs are looked at of which no event told: those that an earlier process has left.
    private static let interval = Duration.seconds(5)

    private init(
        _ connection: LibvirtConnection, prefix: String, workDirectory: FilePath,
        note: @escaping @Sendable (FullDisk) -> Void
    ) {
        self.connection = connection
        self.prefix = prefix
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

    /// Begins, for as long as somebody keeps what is returned.
    static func begin(
        _ connection: LibvirtConnection, prefix: String, workDirectory: FilePath,
        note: @escaping @Sendable (FullDisk) -> Void
    ) -> Running { Running(VMCare(connection, prefix: prefix, workDirectory: workDirectory, note: note)) }

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
                    for name in await self.stalled() { listener.yield(name) }
                } while (try? await Task.sleep(for: Self.interval)) != nil
            }
            for await name in names where name.hasPrefix(prefix) {
                guard attended.withLock({ $0.insert(name).inserted }) else { continue }
                group.addTask {
                    await self.vm(name).attend(note: self.note)
                    self.attended.withLock { _ = $0.remove(name) }
                }
            }
        }
    }

    /// Names of VMs that stand still now.
    private func stalled() async -> [String] {
        let found = try? await blocking { [connection, prefix] () throws(CloudletError) in
            try connection.activeDomains().filter { $0.name.hasPrefix(prefix) && (try? $0.state()) == .stalled }
                .map(\.name)
        }
        return found ?? []
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
            }, room: { (try? Directory.freeSpace(at: directory)) ?? 0 },
            goOn: { [self] () async throws(CloudletError) in
                if let machine = machine(name) { return try await machine.goOn() }
                try await blocking { [connection] () throws(CloudletError) in
                    try connection.activeDomain(name)?.resume()
                }
            })
    }

    private func machine(_ name: String) -> VirtualMachine? { known.withLock { $0[name]?.machine } }
}
