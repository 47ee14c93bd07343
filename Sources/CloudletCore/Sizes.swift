// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The unit in which disks and memory are compared, addressed and transferred: 4096 bytes, the original's chunk size
/// and the page size of x86-64.
package enum Page {
    /// Bytes in a page.
    package static let size = 4096
    /// The disk's sector: base-disk references are aligned to it.
    package static let sector = 512

    /// How many pages cover `bytes`.
    package static func count(covering bytes: Int) -> Int { bytes / size + (bytes % size > 0 ? 1 : 0) }

    /// `bytes` rounded up to whole pages, but to no more than the largest number of whole pages that fits into `Int`.
    package static func roundUp(_ bytes: Int) -> Int { min(count(covering: bytes), Int.max / size) * size }
}

/// A number of bytes, with a description for people.
public struct ByteCount: Hashable, Sendable, CustomStringConvertible {
    /// The number of bytes.
    public let bytes: Int

    /// Creates a size from a number of bytes.
    public init(_ bytes: Int) { self.bytes = bytes }

    /// Creates a size from a number of mebibytes.
    package static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }

    /// One decimal and a decimal unit (`1.5 MB`); below 1000, plain bytes.
    public var description: String {
        guard bytes >= 1000 else { return "\(bytes) B" }
        var value = Double(bytes)
        for unit in ["kB", "MB", "GB", "TB"] {
            value /= 1000
            if value < 999.95 || unit == "TB" {
                let tenths = Int((value * 10).rounded())
                return "\(tenths / 10).\(tenths % 10) \(unit)"
            }
        }
        return "\(bytes) B"
    }
}
