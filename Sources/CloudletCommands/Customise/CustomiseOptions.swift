import ArgumentParser
import CloudletCore

/// Options of `cloudlet base` and `cloudlet overlay`: how a person or a script works in the VM, and how the command
/// recognises that the work is done.
struct CustomiseOptions: ParsableArguments {
    @Option(help: "Program that shows the VM's VNC display, or 'none'; done when it is closed.")
    var viewer: String?

    @Option(name: .customLong("until-port"), help: "Done when this TCP port of the VM answers.")
    var untilPort: UInt16?

    @Option(
        help:
            "Host program that sets the VM up; done when it exits with 0. Gets CLOUDLET_VM_HOST and CLOUDLET_VM_PORT_<guest port>."
    )
    var provision: String?

    @Argument(parsing: .postTerminator, help: "Behind '--': -redir tcp:HOSTPORT::GUESTPORT, repeatable.")
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
                    .usage, "'\(word.displayable(limit: 60))' is not understood behind '--'",
                    advice: "only -redir tcp:HOSTPORT::GUESTPORT is accepted there")
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
