import CloudletCore
import CloudletHypervisor
import Logging
import Synchronization

/// Which session a VM runs for, so that what the hypervisor tells of a VM is told with its session.
final class VMSessions: Sendable {
    private let sessions = Mutex<[String: SessionID]>([:])

    /// Sets or, with `nil`, forgets the session of the VM with this name.
    func set(_ vm: String, _ session: SessionID?) { sessions.withLock { $0[vm] = session } }

    /// Tells in the log that a VM stands still because there is no room for its disk, or that it goes on.
    func log(_ disk: FullDisk, to logger: Logger) {
        var metadata: Logger.Metadata = ["vm": "\(disk.vm)", "directory": "\(disk.directory)"]
        if let session = sessions.withLock({ $0[disk.vm] }) { metadata["session"] = "\(session)" }
        if disk.hasRoom {
            logger.notice("a VM goes on: there is room for its disk again", metadata: metadata)
        } else {
            logger.error("a VM stands still: no room for what it writes to its disk", metadata: metadata)
        }
    }
}
