// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// An active forward.
package struct ActiveForward: Hashable, Sendable {
    /// The forward with its actual host port.
    package let forward: PortForward
    /// The address of the host on which it listens.
    package let address: String
    /// The port of 127.0.0.1 on which the emulator listens, when a relay process listens on `address`; `nil` when the
    /// emulator itself does.
    let relayed: UInt16?

    /// Makes an active forward of an emulator, or of a relay.
    package init(_ forward: PortForward, address: String, relayed: UInt16? = nil) {
        self.forward = forward
        self.address = address
        self.relayed = relayed
    }

    /// Where the emulator listens.
    var ofEmulator: ActiveForward {
        guard let relayed else { return self }
        return ActiveForward(
            PortForward(forward.transport, hostPort: relayed, guestPort: forward.guestPort), address: "127.0.0.1")
    }
}
