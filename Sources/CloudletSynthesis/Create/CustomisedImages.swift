package import CloudletHypervisor
package import CloudletOverlay

/// The images of a customised VM: where they may differ from the base.
package struct CustomisedImages: Sendable {
    let memory: ChangedImage?
    let disk: ChangedImage
    let guest: GuestSupport?

    /// Joins them; no memory makes an overlay of the disk alone. `guest` is what the guest can do for itself when it goes
    /// on from this memory, if known.
    package init(memory: ChangedImage?, disk: ChangedImage, guest: GuestSupport? = nil) {
        self.memory = memory
        self.disk = disk
        self.guest = guest
    }
}
