/// What was done for a guest that goes on from a saved state.
package struct GuestRefresh: Hashable, Sendable {
    /// How one of the two things came out.
    package enum Outcome: Hashable, Sendable {
        /// It was done, or the guest's kernel does it by itself.
        case done
        /// It was not done, for this reason.
        case missing(String)
    }

    /// Whether the guest's clock was set.
    package var clock: Outcome
    /// Whether the guest's random generator has numbers of its own.
    package var random: Outcome

    /// Joins both.
    package init(clock: Outcome, random: Outcome) {
        self.clock = clock
        self.random = random
    }

    /// A guest that booted here has the host's time and seeds its generator anew.
    package static let booted = GuestRefresh(clock: .done, random: .done)

    /// What was not done, a line each, with its reason.
    package var warnings: [String] {
        var lines: [String] = []
        if case .missing(let reason) = clock {
            lines.append("the guest's clock was not set (\(reason)): it goes on at the second its state was saved")
        }
        if case .missing(let reason) = random {
            lines.append(
                "the guest's random generator was not seeded anew (\(reason)): VMs of the same state may draw the same "
                    + "numbers, keys and UUIDs")
        }
        return lines
    }
}
