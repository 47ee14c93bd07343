// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCore

/// Options of `cloudlet base` and `cloudlet overlay`: how a person or a script works in the VM, and how the command
/// recognises that the work is done.
struct CustomiseOptions: ParsableArguments {
    @Option(help: "VNC viewer to open on the VM's display, or 'none'; the work in the VM is done when it is closed.")
    var viewer: String?

    @Option(
        name: .customLong("until-port"), help: "The work in the VM is done when this TCP port of the guest answers.")
    var untilPort: UInt16?

    @Option(
        help:
            "Program on this host that works in the VM, with CLOUDLET_VM_HOST and CLOUDLET_VM_PORT_<guest port> in its environment; the work is done when it exits with status 0."
    )
    var provision: String?

    @Argument(
        parsing: .postTerminator,
        help: "After '--': -redir tcp:HOSTPORT::GUESTPORT forwards a port of this host to the guest; repeatable.")
    var emulatorArguments: [String] = []

    /// Advice for a port that is taken, as an alternative to freeing it.
    static let takenPortAdvice = "choose another with -redir"

    /// The forwards given after `--`.
    func forwards() throws(CloudletError) -> [PortForward] {
        var forwards: [PortForward] = []
        var rest = emulatorArguments[...]
        while let word = rest.popFirst() {
            guard word == "-redir" || word == "--redir", let value = rest.popFirst() else {
                throw CloudletError(
                    .usage, "'\(word.displayable(limit: 60))' is not understood after '--'",
                    advice: "give only -redir tcp:HOSTPORT::GUESTPORT or -redir udp:HOSTPORT::GUESTPORT there")
            }
            let forward = try PortForward(parsing: value)
            if forward.hostPort != 0,
                forwards.contains(where: { $0.hostPort == forward.hostPort && $0.transport == forward.transport })
            {
                throw CloudletError(.usage, "host port \(forward.hostPort) is forwarded twice")
            }
            forwards.append(forward)
        }
        return forwards
    }

    /// Forwards that the work itself needs, on free ports of the loopback address: one for the port to wait for, and
    /// one for the SSH connection of a provisioning program.
    func temporaryForwards(beside forwards: [PortForward], ssh: Bool = false) -> [PortForward] {
        var wanted: [UInt16] = []
        if let untilPort { wanted.append(untilPort) }
        if (provision != nil || ssh) && !wanted.contains(22) { wanted.append(22) }
        return wanted.filter { port in !forwards.contains { $0.guestPort == port && $0.transport == .tcp } }
            .map { PortForward(hostPort: 0, guestPort: $0) }
    }
}
