// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletForwarding
import CloudletNetwork
import CloudletSystem
import SystemPackage

extension VirtualMachine {
    /// Opens ports of the host that lead into the VM.
    ///
    /// If the guest is kept from the network, other hosts reach it through a relay: QEMU's user network (libslirp) then
    /// names no router when it gives the guest an address (RFC 2132, 3.5), so a guest that has booted here, or renewed
    /// its lease, has no route to them. Connections from a loopback address seem to come from a host of the guest's own
    /// network (10.0.2.2), which needs no route.
    /// - Parameters:
    ///   - forwards: transports and ports; for host port 0, a free port is chosen.
    ///   - forwarding: the address to listen on, and what to do when a port is taken.
    /// - Returns: the active forwards, in the order of `forwards`. If one can't be opened, those before it are closed
    ///   when the VM ends.
    /// - Throws: `CloudletError.busy` when a port is taken, `CloudletError.unavailable` when answers would be dropped.
    package func openForwards(
        _ forwards: [PortForward], _ forwarding: VMOptions.Forwarding
    ) async throws(CloudletError) -> [ActiveForward] {
        do throws(CloudletError) {
            guard !resources.options.outboundNetwork, !forwards.isEmpty, let address = IPAddress(forwarding.address),
                !address.isLoopback
            else {
                return try forwards.map { (forward) throws(CloudletError) in
                    try addForward(forward, on: forwarding.address, movingTaken: forwarding.movesTaken)
                }
            }
            try resources.options.requireAnswers(to: forwards)
            return try await relay(forwards, on: address, movingTaken: forwarding.movesTaken)
        } catch {
            guard error.code == .busy, let other = forwarding.takenPortAdvice, error.advice != nil else { throw error }
            throw error.advising(or: other)
        }
    }

    /// Opens free ports of the loopback address, and starts the process that relays the wanted ones to them.
    private func relay(
        _ forwards: [PortForward], on address: IPAddress, movingTaken: Bool
    ) async throws(CloudletError) -> [ActiveForward] {
        let inner = try forwards.map { (forward) throws(CloudletError) in
            try addForward(
                PortForward(forward.transport, hostPort: 0, guestPort: forward.guestPort), on: "127.0.0.1")
        }
        let rules = zip(forwards, inner).map { forward, inner in
            RelayTask.Rule(address, forward.hostPort, mayMove: movingTaken, to: inner.forward.hostPort)
        }
        let result = try await RelayProcess().start(
            rules, emulator: try processID(), directory: directory,
            restarted: { [note, name] in note(.relayEnded(vm: name, failure: $0)) })
        switch result {
        case .success(let ports):
            return zip(zip(forwards, inner), ports).map { forwards, port in
                let (forward, inner) = forwards
                return ActiveForward(
                    PortForward(forward.transport, hostPort: port, guestPort: forward.guestPort),
                    address: address.description, relayed: inner.forward.hostPort)
            }
        case .failure(let refusal):
            throw Self.refusal(
                of: forwards[refusal.rule], on: address.description,
                CloudletError(.unavailable, refusal.reason.description))
        }
    }

    private static func refusal(of forward: PortForward, on address: String, _ cause: CloudletError) -> CloudletError {
        let holders = PortHolder.all(of: forward.hostPort, forward.transport)
        return CloudletError(
            .busy,
            "port \(forward.hostPort) of \(address) can't be forwarded to port \(forward.guestPort) of the VM: "
                + (holders.isEmpty ? "it is taken or not allowed" : "it is taken by \(holders.shown)"),
            advice: "end the program that uses the port", cause: cause)
    }

    /// Opens a port of the host that leads into the VM, at the emulator itself.
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
            throw Self.refusal(
                of: forward, on: address, CloudletError(.unavailable, answer.filter { !$0.isNewline }.displayable()))
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
