/// What a guest can do for itself when it goes on from a saved state. All VMs of one state go on from the same second and
/// with the same random generator; a guest that can't learn of it believes the old time and draws the same numbers as
/// its twins. Found out before the state is saved, and stored with it.
package struct GuestSupport: Hashable, Sendable {
    /// How the guest's clock is set.
    package enum Clock: String, Sendable, Hashable, CaseIterable {
        /// By qemu-guest-agent (`guest-set-time`, or `date` where that is not supported).
        case agent
        /// Not at all: the guest has no agent, or its agent may not.
        case none
    }

    /// How the guest's random generator gets numbers of its own.
    package enum Random: String, Sendable, Hashable, CaseIterable {
        /// The guest's kernel has a driver of the VM generation id (Linux 5.18 and later with `CONFIG_VMGENID`): it does so
        /// before its programs go on.
        case kernel
        /// qemu-guest-agent mixes fresh bytes of the host in and makes the kernel use them.
        case agent
        /// Not known to happen: without an agent nobody can ask the guest whether its kernel has the driver.
        case none
    }

    /// How the guest's clock is set.
    package var clock: Clock
    /// How the guest's random generator gets numbers of its own.
    package var random: Random

    /// A guest that nothing is known of.
    package static let unknown = GuestSupport(clock: .none, random: .none)

    /// Joins both.
    package init(clock: Clock, random: Random) {
        self.clock = clock
        self.random = random
    }

    /// What a person should know who makes a base VM or an overlay of this guest; empty when all is well.
    package var warnings: [String] {
        var lines: [String] = []
        if clock == .none {
            lines.append(
                "nobody sets the guest's clock when it is resumed: it goes on at the second its state was saved")
        }
        if random == .none {
            lines.append(
                "VMs resumed from the same state may draw the same random numbers, keys and UUIDs: whoever has the state "
                    + "can foretell them")
        }
        return lines
    }

    /// What is to be done in the guest so that there are no warnings.
    package static let advice =
        "install qemu-guest-agent in the guest (with perl or python3), have it running when the state is saved, and use a "
        + "kernel with CONFIG_VMGENID where there is one"
}
