// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletHypervisor
import Logging

extension ProcessRights {
    /// Logs the privileges of the node, and how its guests are confined.
    func report(_ settings: NodeConfiguration, accelerator: MachineDescription.Accelerator, to logger: Logger) {
        logger.notice(
            "rights of this process",
            metadata: [
                "user": "\(user)", "capabilities": "\(capabilities)", "no-new-privileges": "\(noNewPrivileges)",
                "seccomp": "\(isFiltered)", "accelerator": "\(accelerator.rawValue)",
                "emulator-sandbox": "\(settings.libvirtURI == nil ? "on" : "as libvirt's qemu.conf says")",
                "guest-network": "\(settings.outboundNetwork ? "open" : "restricted")",
            ])
        if isRoot {
            logger.warning(
                "the node does not need to run as root; a user with access to /dev/kvm is enough, see Descriptors/systemd"
            )
        }
        if settings.outboundNetwork {
            logger.warning(
                "guests may open connections: they reach every host that this one reaches, and its loopback services")
        }
    }
}
