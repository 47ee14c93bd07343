// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLzma

/// The checksum of ZIP archives: CRC-32 as in ISO 3309, by liblzma.
package struct CRC32: Sendable {
    /// The checksum of the bytes added so far.
    package private(set) var value: UInt32 = 0

    /// The checksum of no bytes.
    package init() {}

    /// Adds bytes.
    package mutating func add(_ bytes: Span<UInt8>) {
        value = unsafe bytes.withUnsafeBufferPointer { unsafe lzma_crc32($0.baseAddress, $0.count, value) }
    }
}
