package import CloudletCore

extension Synthesizer.Options {
    /// The forwards to open: one whose host port is not given to guests gets a free one where forwards may be moved.
    /// - Throws: `CloudletError.permission` where they may not.
    package func permitted(_ forwards: [PortForward]) throws(CloudletError) -> [PortForward] {
        try forwards.map { (forward) throws(CloudletError) in
            if forward.hostPort == 0 || mayOpen(forward) { return forward }
            guard moveTakenForwards else {
                throw CloudletError(
                    .permission,
                    "port \(forward.hostPort) of this host is not given to guests, and the overlay wants it for port "
                        + "\(forward.guestPort) of its VM",
                    advice: "let the ports be moved, make the overlay with another host port, or have the node's owner "
                        + "set guest.low-ports")
            }
            return PortForward(forward.transport, hostPort: 0, guestPort: forward.guestPort)
        }
    }
}
