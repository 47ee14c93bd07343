package import CloudletHypervisor
package import CloudletOverlay

extension GuestSupport {
    /// What an overlay's meta says of its guest; `nil` where it says nothing (disk-only overlays, other makers). Words of later
    /// versions count as nothing known.
    package init?(_ meta: OverlayMeta) {
        guard let clock = meta.guestClock, let random = meta.guestRandom else { return nil }
        self.init(clock: Clock(rawValue: clock) ?? .none, random: Random(rawValue: random) ?? .none)
    }
}
