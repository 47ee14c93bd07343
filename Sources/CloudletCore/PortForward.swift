/// A port of the host that leads to a port inside a VM, written as QEMU's `-redir` had it: `tcp:2222::22`.
public struct PortForward: Hashable, Sendable, CustomStringConvertible {
    /// TCP or UDP.
    public enum Transport: String, Sendable, Hashable, CaseIterable {
        case tcp
        case udp
    }

    /// TCP or UDP.
    public let transport: Transport
    /// The port on the host; 0 stands for any free port.
    public let hostPort: UInt16
    /// The port inside the VM.
    public let guestPort: UInt16

    /// Creates a forward.
    public init(_ transport: Transport = .tcp, hostPort: UInt16, guestPort: UInt16) {
        self.transport = transport
        self.hostPort = hostPort
        self.guestPort = guestPort
    }

    /// Reads `tcp:HOSTPORT::GUESTPORT` or `udp:…`.
    /// - Throws: `CloudletError.usage` with the form expected.
    public init(parsing text: String) throws(CloudletError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[2].isEmpty, let transport = Transport(rawValue: parts[0].lowercased()),
            let host = UInt16(parts[1]), let guest = UInt16(parts[3]), guest > 0
        else {
            throw CloudletError(
                .usage, "'\(text.displayable(limit: 60))' is not a port forward",
                advice: "write it as tcp:HOSTPORT::GUESTPORT, for example tcp:2222::22")
        }
        self.init(transport, hostPort: host, guestPort: guest)
    }

    /// The form ``init(parsing:)`` reads.
    public var description: String { "\(transport.rawValue):\(hostPort)::\(guestPort)" }
}
