// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import Logging
import Synchronization

/// Maps VMs to sessions, so that events of a VM are logged with its session.
final class VMSessions: Sendable {
    private let sessions = Mutex<[String: SessionID]>([:])

    /// Sets the session of the VM with this name, or removes it with `nil`.
    func set(_ vm: String, _ session: SessionID?) { sessions.withLock { $0[vm] = session } }

    /// Logs that a VM was stopped because its disk has no space, continues, was woken up, or lost its relay.
    func log(_ incident: VMIncident, to logger: Logger) {
        switch incident {
        case .woken(let vm):
            logger.warning("a guest went to sleep, and was woken up", metadata: metadata(of: vm))
        case .portsClosed(let vm, let reason):
            var metadata = metadata(of: vm)
            metadata["reason"] = "\(reason)"
            logger.error(
                "the ports of a VM are closed: the process that relays them ended, and can't be started again now",
                metadata: metadata)
        case .portsReopened(let vm):
            logger.warning(
                "the process that relays a VM's ports ended, and was started again; connections were cut",
                metadata: metadata(of: vm))
        case .disk(let disk):
            var metadata = metadata(of: disk.vm)
            metadata["directory"] = "\(disk.directory)"
            if disk.hasRoom {
                logger.notice("a VM continues: its disk has space again", metadata: metadata)
            } else {
                logger.error("a VM is stopped: there is no space for what it writes to its disk", metadata: metadata)
            }
        }
    }

    private func metadata(of vm: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["vm": "\(vm)"]
        if let session = sessions.withLock({ $0[vm] }) { metadata["session"] = "\(session)" }
        return metadata
    }
}
