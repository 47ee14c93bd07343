// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletHypervisor
package import CloudletOverlay

extension GuestSupport {
    /// The guest's support as an overlay's meta states it; `nil` if the meta states none (disk-only overlays, overlays
    /// of other programs). Values of later versions are read as `none`.
    package init?(_ meta: OverlayMeta) {
        guard let clock = meta.guestClock, let random = meta.guestRandom else { return nil }
        self.init(clock: Clock(rawValue: clock) ?? .none, random: Random(rawValue: random) ?? .none)
    }
}
