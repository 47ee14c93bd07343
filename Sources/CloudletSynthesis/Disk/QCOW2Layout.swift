// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import SystemPackage

/// The layout of the qcow2 images that ``QCOW2Image`` writes, and their header. Source: the qcow2 specification
/// (docs/interop/qcow2.txt of QEMU).
enum QCOW2Layout {
    /// The longest path of a base disk that the format can store, in bytes.
    static let longestBackingPath = 1023

    static let clusterBits = 17
    static let clusterSize = 1 << clusterBits
    static let entryBytes = 16
    static let entriesPerTable = clusterSize / entryBytes
    static let refcountsPerBlock = clusterSize / 2
    static let refcountTableOffset = clusterSize
    static let refcountBlockOffset = 2 * clusterSize
    static let firstLevelOffset = 3 * clusterSize

    /// The clusters that a range touches, each with the range's first page in it and its bytes from there.
    static func parts(
        of length: Int, at offset: Int
    ) -> some Sequence<(cluster: Int, page: Int, count: Int)> {
        sequence(state: offset) { position -> (Int, Int, Int)? in
            guard position < offset + length else { return nil }
            let (cluster, page) = locate(position)
            let count = min(offset + length - position, clusterSize - page * Page.size)
            position += count
            return (cluster, page, count)
        }
    }

    /// The bits of `count` pages, beginning with `page`.
    static func bits(_ count: Int, at page: Int) -> UInt32 {
        (UInt32.max >> UInt32(32 - count)) << UInt32(page)
    }

    static func locate(_ offset: Int) -> (cluster: Int, page: Int) {
        (offset >> clusterBits, offset % clusterSize / Page.size)
    }

    /// A version 3 header with the extended-L2 feature bit and an extension for the backing file's format.
    static func header(
        backing: FilePath, size: Int, firstLevelEntries: Int
    ) throws(CloudletError) -> [UInt8] {
        let name = Array(backing.string.utf8)
        let headerLength = 112
        guard name.count <= longestBackingPath else {
            throw CloudletError(
                .usage, "the path of the base disk is longer than \(longestBackingPath) bytes: \(backing)")
        }
        var extensions: [UInt8] = []
        extensions.appendBigEndian(UInt32(0xE279_2ACA))
        extensions.appendBigEndian(UInt32(3))
        extensions += Array("raw".utf8) + [0, 0, 0, 0, 0]
        extensions.appendBigEndian(UInt64(0))

        var bytes: [UInt8] = [0x51, 0x46, 0x49, 0xFB]
        bytes.appendBigEndian(UInt32(3))
        bytes.appendBigEndian(UInt64(headerLength + extensions.count))
        bytes.appendBigEndian(UInt32(name.count))
        bytes.appendBigEndian(UInt32(clusterBits))
        bytes.appendBigEndian(UInt64(size))
        bytes.appendBigEndian(UInt32(0))
        bytes.appendBigEndian(UInt32(firstLevelEntries))
        bytes.appendBigEndian(UInt64(firstLevelOffset))
        bytes.appendBigEndian(UInt64(refcountTableOffset))
        bytes.appendBigEndian(UInt32(1))
        bytes.appendBigEndian(UInt32(0))
        bytes.appendBigEndian(UInt64(0))
        bytes.appendBigEndian(UInt64(1 << 4))
        bytes.appendBigEndian(UInt64(0))
        bytes.appendBigEndian(UInt64(0))
        bytes.appendBigEndian(UInt32(4))
        bytes.appendBigEndian(UInt32(headerLength))
        bytes.appendBigEndian(UInt64(0))
        return bytes + extensions + name
    }
}
