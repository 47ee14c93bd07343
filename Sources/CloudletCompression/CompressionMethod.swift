// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// How blobs are compressed.
package enum CompressionMethod: String, Sendable, Hashable, CaseIterable {
    /// The original's method: the smallest result, slow to decompress.
    case xz
    /// Read by nodes of this version and later: a tenth to a quarter larger, decompressed in a quarter of the time.
    case zstd

    /// The levels that can be chosen.
    package var levels: ClosedRange<Int> { self == .xz ? 0...9 : 1...19 }

    /// The level used when none is chosen. The article Compression has the measurements.
    package var defaultLevel: Int { self == .xz ? 6 : 9 }
}
