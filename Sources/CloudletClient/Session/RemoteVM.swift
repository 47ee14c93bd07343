// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore

/// A VM on a node.
public struct RemoteVM: Sendable, Hashable {
    /// The node's address at which the forwards listen: the one it reported, or the one by which it was reached.
    public let host: String
    /// The id of its session.
    public let session: SessionID
    /// The open port forwards: those that the node reported, or else those that the overlay names.
    public let forwards: [PortForward]
    /// Why the node booted the VM from its disk instead of running it as it was saved; `nil` if it was resumed, or if the
    /// overlay contains no memory and was booted on the machine of its base VM. Its texts come from the network: escape
    /// control characters before you print them.
    public let boot: BootReport?

    /// The node's TCP port that is forwarded to a guest port; `nil` when there is none.
    public func port(of guestPort: UInt16) -> UInt16? {
        forwards.first { $0.guestPort == guestPort && $0.transport == .tcp }?.hostPort
    }
}
