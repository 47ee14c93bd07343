/// The two images an overlay changes; the raw value is the low nibble of a delta item's type byte.
package enum OverlayImage: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The memory snapshot.
    case memory = 1
    /// The disk.
    case disk = 2

    /// The word for messages.
    package var description: String { self == .memory ? "memory" : "disk" }
}
