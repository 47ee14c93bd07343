// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// How a guest can get the right time and new random numbers when it is resumed from a saved state. All VMs resumed
/// from one state begin at the same second and with the same random generator. A guest that does not notice keeps the
/// old time and draws the same numbers as the other VMs. The support is found out before the state is saved, and stored
/// with it.
package struct GuestSupport: Hashable, Sendable {
    /// How the guest's clock is set.
    package enum Clock: String, Sendable, Hashable, CaseIterable {
        /// By qemu-guest-agent (`guest-set-time`, or `date` where that is not supported).
        case agent
        /// The clock is not set: the guest has no agent, or its agent is not allowed to set it.
        case none
    }

    /// How the guest's random generator is seeded again.
    package enum Random: String, Sendable, Hashable, CaseIterable {
        /// By the guest's kernel, which has a driver for the VM generation id (Linux 5.18 and later with
        /// `CONFIG_VMGENID`). It reseeds before the guest's programs run again.
        case kernel
        /// By qemu-guest-agent, which mixes in random bytes of the host and makes the kernel use them.
        case agent
        /// Not known: without an agent, the guest can't be asked whether its kernel has the driver.
        case none
    }

    /// How the guest's clock is set.
    package var clock: Clock
    /// How the guest's random generator is seeded again.
    package var random: Random

    /// A guest about which nothing is known.
    package static let unknown = GuestSupport(clock: .none, random: .none)

    /// Combines both.
    package init(clock: Clock, random: Random) {
        self.clock = clock
        self.random = random
    }

    /// Warnings for the person who makes a base VM or an overlay of this guest; empty when everything is supported.
    package var warnings: [String] {
        var lines: [String] = []
        if clock == .none {
            lines.append(
                "the guest has no agent that can set its clock, so nothing sets the guest's clock when it is resumed: it "
                    + "continues from the second at which its state was saved; certificates may not be valid yet, tokens "
                    + "may have expired, and files may have times in the future")
        }
        if random == .none {
            lines.append(
                "VMs resumed from the same state may draw the same random numbers, keys and UUIDs, and everybody with "
                    + "the state can predict them")
        }
        return lines
    }

    /// What to do in the guest so that there are no warnings.
    package static let advice =
        "install qemu-guest-agent in the guest (with perl or python3), have it running when the state is saved, and use a "
        + "kernel with CONFIG_VMGENID if possible"
}
