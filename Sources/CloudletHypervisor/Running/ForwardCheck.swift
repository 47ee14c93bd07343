package import CloudletCore

extension VMResources {
    /// Refuses forwards that would let datagrams in and no answer out: QEMU's user network drops what a guest sends by UDP
    /// when the guest is kept from other hosts (`restrict=on`; libslirp's `udp_input` does so before it looks for a
    /// forward). TCP is not concerned.
    /// - Parameters:
    ///   - forwards: the forwards wanted.
    ///   - outboundNetwork: whether the guest may open connections to other hosts.
    /// - Throws: `CloudletError.unavailable` that names the forward.
    package static func requireAnswers(_ forwards: [PortForward], outboundNetwork: Bool) throws(CloudletError) {
        guard !outboundNetwork, let forward = forwards.first(where: { $0.transport == .udp }) else { return }
        throw CloudletError(
            .unavailable,
            "the forward \(forward) can't work: the VM is kept from other hosts, and QEMU drops all that such a VM answers by "
                + "UDP",
            advice:
                "forward TCP, or let VMs reach other hosts (--outbound-network, or guest.outbound-network of a node)")
    }
}
