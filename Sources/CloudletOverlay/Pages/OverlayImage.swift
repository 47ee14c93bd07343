// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The two images of a VM that an overlay changes. The raw value is the low nibble of the type byte of a delta item.
package enum OverlayImage: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The memory snapshot.
    case memory = 1
    /// The disk.
    case disk = 2

    /// The word for messages.
    package var description: String { self == .memory ? "memory" : "disk" }
}
