// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A port of the host that is forwarded to a port inside a VM, written as for QEMU's former option `-redir`:
/// `tcp:2222::22`.
public struct PortForward: Hashable, Sendable, CustomStringConvertible {
    /// The transport protocol of a forward.
    public enum Transport: String, Sendable, Hashable, CaseIterable {
        /// TCP.
        case tcp
        /// UDP.
        case udp
    }

    /// The transport protocol.
    public let transport: Transport
    /// The port on the host; 0 means any free port.
    public let hostPort: UInt16
    /// The port inside the VM.
    public let guestPort: UInt16

    /// Creates a forward.
    package init(_ transport: Transport = .tcp, hostPort: UInt16, guestPort: UInt16) {
        self.transport = transport
        self.hostPort = hostPort
        self.guestPort = guestPort
    }

    /// Reads `tcp:HOSTPORT::GUESTPORT` or `udp:HOSTPORT::GUESTPORT`.
    /// - Throws: `CloudletError.usage` with the expected form.
    package init(parsing text: String) throws(CloudletError) {
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

    /// `tcp:HOSTPORT::GUESTPORT` or `udp:HOSTPORT::GUESTPORT`.
    public var description: String { "\(transport.rawValue):\(hostPort)::\(guestPort)" }
}
