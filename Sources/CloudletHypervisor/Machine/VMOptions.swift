// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import SystemPackage

/// How a VM runs on this host: options of a command or settings of a node, which apply to one run. They are not saved
/// with the VM. The virtual hardware, which is saved, is a ``MachineDescription``.
package struct VMOptions: Sendable {
    /// The ports of this host that lead into the VM.
    package var forwarding = Forwarding()
    /// Whether the VM has a VNC display on a port of 127.0.0.1.
    package var display = false
    /// Whether the guest may open connections to other hosts. Forwarded ports work in both cases.
    package var outboundNetwork = false
    /// Whether blocks that the guest discards or fills with zeros are freed in the disk's file. Guests can't see this.
    package var discards = true
    /// An ISO image in a further, read-only drive. A machine with such a drive is another machine: its state can't be
    /// resumed without it.
    package var cd: FilePath?
    /// How long the application may take to answer on its readiness port, if it has one.
    package var readinessTimeout = Duration.seconds(30)

    /// The forwards of the saved state on the loopback address, no display, no outbound network.
    package init() {}

    /// Which forwards are opened, and on which address.
    package struct Forwarding: Sendable {
        /// The forwards to open; `nil` opens those stored with the VM.
        package var forwards: [PortForward]?
        /// The IPv4 address of this host on which they listen.
        package var address = "127.0.0.1"
        /// Whether a forward whose host port is taken or not allowed is opened on a free port instead.
        package var movesTaken = false
        /// What the user can do when a port is taken, besides freeing it.
        package var takenPortAdvice: String?
        /// Whether a VM may open the host port of a forward.
        package var mayOpen: @Sendable (PortForward) -> Bool = { _ in true }

        /// The stored forwards on the loopback address.
        package init() {}

        /// The forwards wanted for a VM; `stored` are those stored with it.
        package func wanted(_ stored: [PortForward]) -> [PortForward] { forwards ?? stored }

        /// The forwards to open for a VM; `stored` are those stored with it. If VMs may not open a forward's host port,
        /// the forward gets a free port, provided that forwards may be moved.
        /// - Throws: `CloudletError.permission` when forwards may not be moved.
        package func permitted(_ stored: [PortForward]) throws(CloudletError) -> [PortForward] {
            try wanted(stored).map { (forward) throws(CloudletError) in
                if forward.hostPort == 0 || mayOpen(forward) { return forward }
                guard movesTaken else {
                    throw CloudletError(
                        .permission,
                        "port \(forward.hostPort) of this host may not be opened by guests, and the overlay needs it for port "
                            + "\(forward.guestPort) of its VM",
                        advice: "let the ports be moved, make the overlay with another host port, or ask the node's "
                            + "owner to set guest.low-ports")
                }
                return PortForward(forward.transport, hostPort: 0, guestPort: forward.guestPort)
            }
        }
    }

    /// Refuses forwards that would let datagrams in but no answers out: if the guest may not reach other hosts
    /// (`restrict=on`), QEMU's user network drops everything that the guest sends by UDP, because libslirp's
    /// `udp_input` does so before it looks for a forward. TCP is not affected.
    /// - Throws: `CloudletError.unavailable` that names the forward.
    package func requireAnswers(to forwards: [PortForward]) throws(CloudletError) {
        guard !outboundNetwork, let forward = forwards.first(where: { $0.transport == .udp }) else { return }
        throw CloudletError(
            .unavailable,
            "the forward \(forward) can't work: the VM may not open connections to other hosts, and QEMU drops all that such a VM sends by "
                + "UDP",
            advice:
                "forward TCP, or let VMs reach other hosts (--outbound-network, or guest.outbound-network of a node)")
    }
}
