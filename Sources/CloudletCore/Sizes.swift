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
///
/// All sizes are shown in powers of 1024 (KiB, MiB, GiB, TiB; IEC 80000-13): those of memory, because `--memory 4096`
/// means 4 GiB, and those of disks and files, as qemu-img does, so that a reader can compare any two sizes.
public struct ByteCount: Hashable, Sendable, CustomStringConvertible {
    /// The number of bytes.
    public let bytes: Int

    /// Creates a size from a number of bytes.
    public init(_ bytes: Int) { self.bytes = bytes }

    /// Creates a size from a number of mebibytes, but no larger one than fits into `Int`.
    package static func mebibytes(_ count: Int) -> ByteCount {
        let (bytes, overflows) = count.multipliedReportingOverflow(by: 1 << 20)
        return ByteCount(overflows ? .max : bytes)
    }

    /// Reads a size: a whole number with a unit (`512M`, `512MiB`, `4G`, `4GiB`; K to G, upper or lower case), or
    /// a plain number.
    /// - Parameters:
    ///   - text: the size.
    ///   - plainUnit: the bytes for which a plain number counts.
    package init?(_ text: some StringProtocol, plainUnit: Int) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit: Int
        switch text.dropFirst(digits.count).lowercased() {
        case "": unit = plainUnit
        case "k", "kib": unit = 1 << 10
        case "m", "mib": unit = 1 << 20
        case "g", "gib": unit = 1 << 30
        default: return nil
        }
        guard let number = Int(digits) else { return nil }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: unit)
        if overflows { return nil }
        self.bytes = bytes
    }

    /// A binary unit, with one decimal unless it is exact (`4 GiB`, `1.5 MiB`); below 1024, plain bytes.
    public var description: String {
        var (value, unit) = (Double(bytes), 1)
        for name in ["B", "KiB", "MiB", "GiB", "TiB"] {
            if value < 1023.95 || name == "TiB" {
                if bytes % unit == 0 { return "\(bytes / unit) \(name)" }
                let tenths = Int((value * 10).rounded())
                return "\(tenths / 10).\(tenths % 10) \(name)"
            }
            (value, unit) = (value / 1024, unit << 10)
        }
        return "\(bytes) B"
    }
}
