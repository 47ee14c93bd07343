import CloudletCore
import CloudletHypervisor
import CloudletSystem
import SystemPackage

extension RunningVM {
    /// What becomes of a VM whose host has no room for what it writes.
    public enum DiskState: Sendable {
        /// It stands still; nothing is lost.
        case full
        /// There is room again, and it goes on.
        case hasRoom
    }

    /// Room that there must be, in bytes, before a VM goes on.
    private static let room = 16 << 20

    /// Waits until the VM has ended. Where its disk can't grow because the host's is full, the VM stands still until there
    /// is room again.
    /// - Parameter note: is told when that happens.
    public func waitForEnd(note: @escaping @Sendable (DiskState) -> Void) async {
        await machine.waitForEnd { [machine, directory = disk.removingLastComponent()] in
            note(.full)
            let goesOn = try? await poll(every: .seconds(1), for: .seconds(1 << 30)) { () async throws(CloudletError) in
                guard await machine.isActive else { return true }
                guard try Directory.freeSpace(at: directory) >= Self.room else { return false }
                try await machine.resume()
                return true
            }
            if goesOn == true, await machine.isActive { note(.hasRoom) }
        }
    }
}
