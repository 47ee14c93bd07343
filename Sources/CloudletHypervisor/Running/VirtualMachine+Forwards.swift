package import CloudletCore
import CloudletSystem

/// An active forward.
package struct ActiveForward: Hashable, Sendable {
    /// The forward with its actual host port.
    package let forward: PortForward
    /// The address of the host on which it listens.
    package let address: String

    /// Makes an active forward.
    package init(_ forward: PortForward, address: String) {
        self.forward = forward
        self.address = address
    }
}

extension VirtualMachine {
    /// Opens a port of the host that leads into the VM.
    /// - Parameters:
    ///   - forward: transport and ports; for host port 0, QEMU chooses a free port.
    ///   - address: the IPv4 address of the host to listen on.
    ///   - movingTaken: whether to use a free port if this one is taken.
    /// - Returns: the forward with its actual host port.
    /// - Throws: `CloudletError.busy` when the port is taken, `CloudletError.unavailable` when answers would be
    ///   dropped.
    package func addForward(
        _ forward: PortForward, on address: String, movingTaken: Bool = false
    ) throws(CloudletError) -> ActiveForward {
        try resources.options.requireAnswers(to: [forward])
        let before = forward.hostPort == 0 ? Set(try connections().filter(\.isForward)) : []
        let rule = "\(forward.transport.rawValue):\(address):\(forward.hostPort)-:\(forward.guestPort)"
        let answer = try human("hostfwd_add \(DomainXML.network) \(rule)")
        guard answer.isEmpty else {
            if movingTaken, forward.hostPort != 0 {
                let anywhere = PortForward(forward.transport, hostPort: 0, guestPort: forward.guestPort)
                return try addForward(anywhere, on: address)
            }
            let holders = PortHolder.all(of: forward.hostPort, forward.transport)
            throw CloudletError(
                .busy,
                "port \(forward.hostPort) of \(address) can't be forwarded to port \(forward.guestPort) of the VM: "
                    + (holders.isEmpty ? "it is taken or not allowed" : "it is taken by \(holders.shown)"),
                advice: "end the program that uses the port",
                cause: CloudletError(.unavailable, answer.filter { !$0.isNewline }.displayable()))
        }
        guard forward.hostPort == 0 else { return ActiveForward(forward, address: address) }
        let added = try connections().first { entry in
            entry.isForward && !before.contains(entry) && entry.guestPort == forward.guestPort
                && entry.transport == forward.transport
        }
        guard let port = added?.hostPort else {
            throw CloudletError(
                .unavailable, "QEMU does not report the port that it chose for guest port \(forward.guestPort)")
        }
        let real = PortForward(forward.transport, hostPort: port, guestPort: forward.guestPort)
        return ActiveForward(real, address: address)
    }

    /// Closes a forward.
    package func removeForward(_ active: ActiveForward) throws(CloudletError) {
        let forward = active.forward
        let rule = "\(forward.transport.rawValue):\(active.address):\(forward.hostPort)"
        let answer = try human("hostfwd_remove \(DomainXML.network) \(rule)")
        guard answer.contains("removed") else {
            throw CloudletError(.unavailable, "forward \(forward) can't be removed: \(answer.displayable())")
        }
    }

    /// Whether the guest has accepted a TCP connection through this forward.
    func hasConnection(through forward: PortForward) throws(CloudletError) -> Bool {
        try connections().contains {
            $0.state == "ESTABLISHED" && $0.hostPort == forward.hostPort && $0.guestPort == forward.guestPort
        }
    }

    /// The connections and forwards of the user network (`info usernet`).
    private func connections() throws(CloudletError) -> [UserNetworkEntry] {
        try human("info usernet").split(whereSeparator: \.isNewline).compactMap { UserNetworkEntry($0) }
    }
}

/// One line of `info usernet`: protocol and state, descriptor, source address and port, destination address and port.
/// For a connection through a forward, the source is the forward, not the client.
struct UserNetworkEntry: Hashable {
    let transport: PortForward.Transport
    let state: String
    let hostPort: UInt16
    let guestPort: UInt16

    var isForward: Bool { state == "HOST_FORWARD" }

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count >= 6, let open = fields[0].firstIndex(of: "["), fields[0].hasSuffix("]"),
            let transport = PortForward.Transport(rawValue: fields[0][..<open].lowercased()),
            let hostPort = UInt16(fields[3]), let guestPort = UInt16(fields[5])
        else { return nil }
        self.transport = transport
        state = String(fields[0][open...].dropFirst().dropLast())
        self.hostPort = hostPort
        self.guestPort = guestPort
    }
}
