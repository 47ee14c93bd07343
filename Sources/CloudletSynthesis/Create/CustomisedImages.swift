// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletHypervisor
package import CloudletOverlay

/// The images of a customised VM: where they may differ from the base.
package struct CustomisedImages: Sendable {
    let memory: ChangedImage?
    let disk: ChangedImage
    let guest: GuestSupport?

    /// Combines the images. Without memory, they make a disk-only overlay. `guest` is the guest's support for being
    /// resumed from this memory, if known.
    package init(memory: ChangedImage?, disk: ChangedImage, guest: GuestSupport? = nil) {
        self.memory = memory
        self.disk = disk
        self.guest = guest
    }
}
