import CloudletCore
import CloudletHypervisor
import Logging
import Synchronization

/// Which session a VM runs for, so that what the hypervisor reports of a VM is logged with its session.
final class VMSessions: Sendable {
    private let sessions = Mutex<[String: SessionID]>([:])

    /// Sets or, with `nil`, forgets the session of the VM with this name.
    func set(_ vm: String, _ session: SessionID?) { sessions.withLock { $0[vm] = session } }

    /// Logs that a VM stands still because there is no room for its disk, or goes on, or was woken up.
    func log(_ incident: VMIncident, to logger: Logger) {
        switch incident {
        case .woken(let vm):
            logger.warning("a guest went to sleep, and was woken up", metadata: metadata(of: vm))
        case .disk(let disk):
            var metadata = metadata(of: disk.vm)
            metadata["directory"] = "\(disk.directory)"
            if disk.hasRoom {
                logger.notice("a VM goes on: there is room for its disk again", metadata: metadata)
            } else {
                logger.error("a VM stands still: no room for what it writes to its disk", metadata: metadata)
            }
        }
    }

    private func metadata(of vm: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["vm": "\(vm)"]
        if let session = sessions.withLock({ $0[vm] }) { metadata["session"] = "\(session)" }
        return metadata
    }
}
