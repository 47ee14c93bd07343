// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletOverlay
import CloudletSystem
import Synchronization
package import SystemPackage

/// A qcow2 image over a raw base disk that is written while a VM already waits for it: version 3, clusters of 128 KiB
/// with 32 subclusters of 4 KiB (extended L2), so that scattered pages neither copy from the base nor cost a table
/// entry each. Source: the qcow2 specification (docs/interop/qcow2.txt of QEMU).
///
/// Data clusters are appended in the order in which their first pages arrive. The tables are written when all pages
/// have arrived. Until then the file is a valid empty image, and QEMU reads the tables again when the VM is activated.
package final class QCOW2Image: PageTarget {
    /// The image file.
    package let path: FilePath
    private let file: File
    private let virtualSize: Int
    private let firstLevelEntries: Int
    private let state: Mutex<State>
    private let turn = BlockingMutex()

    /// One data cluster: its position in the file, and which of its pages are data or zeros.
    private struct Cluster {
        var hostOffset = 0
        var data: UInt32 = 0
        var zeros: UInt32 = 0
    }

    private struct State {
        var clusters: [Int: Cluster] = [:]
        var end: Int

        /// Records that `count` pages of a cluster are now data.
        /// - Returns: the cluster's position in the file.
        mutating func store(_ count: Int, at page: Int, ofCluster index: Int) -> Int {
            var cluster = clusters[index] ?? Cluster()
            if cluster.hostOffset == 0 {
                cluster.hostOffset = end
                end += QCOW2Layout.clusterSize
            }
            let pages = QCOW2Layout.bits(count, at: page)
            cluster.data |= pages
            cluster.zeros &= ~pages
            clusters[index] = cluster
            return cluster.hostOffset
        }
    }

    /// Makes an empty image of the size of its backing disk.
    /// - Parameters:
    ///   - path: the file, which must not exist.
    ///   - backing: absolute path of the raw base disk.
    ///   - size: bytes of the base disk, a multiple of 512.
    /// - Throws: `CloudletError` when the file can't be made or written.
    package init(_ path: FilePath, backing: FilePath, size: Int) throws(CloudletError) {
        self.path = path
        virtualSize = size
        let covered = QCOW2Layout.clusterSize * QCOW2Layout.entriesPerTable
        firstLevelEntries = (size + covered - 1) / covered
        let firstLevelClusters = max(1, (firstLevelEntries * 8 + QCOW2Layout.clusterSize - 1) / QCOW2Layout.clusterSize)
        let end = QCOW2Layout.firstLevelOffset + firstLevelClusters * QCOW2Layout.clusterSize
        state = Mutex(State(end: end))
        file = try File(path, .create(permissions: 0o600))
        try file.resize(to: end)
        try file.write(
            try QCOW2Layout.header(backing: backing, size: size, firstLevelEntries: firstLevelEntries), at: 0)
        try writeRefcounts(upTo: end)
    }

    /// The most bytes that the tables of an image with this number of stored pages can take.
    static func tableBytes(pages: Int, virtualSize: Int) -> Int {
        let tables = min(pages, virtualSize / (QCOW2Layout.clusterSize * QCOW2Layout.entriesPerTable) + 1)
        let clusters = min(pages, virtualSize / QCOW2Layout.clusterSize + 1)
        // The header, the tables of reference counts, the first level, and the tables written at the end.
        return (4 + tables + clusters / QCOW2Layout.refcountsPerBlock + tables / QCOW2Layout.refcountsPerBlock)
            .multipliedOrMost(
                by: QCOW2Layout.clusterSize)
    }

    /// Stores runs of pages.
    package func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
        try turn.take { () throws(CloudletError) in
            try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in try store(part, at: run.lowerBound) }
        }
    }

    private func store(_ bytes: Span<UInt8>, at offset: Int) throws(CloudletError) {
        var done = 0
        for (index, page, count) in QCOW2Layout.parts(of: bytes.count, at: offset) {
            let hostOffset = state.withLock { $0.store(Page.count(covering: count), at: page, ofCluster: index) }
            try file.write(bytes.extracting(done..<done + count), at: hostOffset + page * Page.size)
            done += count
        }
    }

    /// Marks consecutive pages as zeros.
    package func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {
        state.withLock { state in
            for (index, page, count) in QCOW2Layout.parts(of: length, at: offset) {
                var cluster = state.clusters[index] ?? Cluster()
                let pages = QCOW2Layout.bits(Page.count(covering: count), at: page)
                cluster.zeros |= pages
                cluster.data &= ~pages
                state.clusters[index] = cluster
            }
        }
    }

    /// Reads a page that was placed before.
    package func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        let (index, page) = QCOW2Layout.locate(offset)
        let cluster = state.withLock { $0.clusters[index] ?? Cluster() }
        if cluster.data & (1 << UInt32(page)) != 0 {
            _ = try file.read(into: &buffer, count: count, at: cluster.hostOffset + page * Page.size)
        } else {
            for index in 0..<count { buffer[index] = 0 }
        }
    }

    /// The status of the file, which shows whether another program has changed it.
    func status() throws(CloudletError) -> FileStatus { try file.status() }

    /// Writes the tables. Afterwards the image is complete.
    package func finish() throws(CloudletError) {
        var (clusters, end) = state.withLock { ($0.clusters, $0.end) }
        var firstLevel = [UInt64](repeating: 0, count: firstLevelEntries)
        let tables = Dictionary(grouping: clusters.keys, by: { $0 / QCOW2Layout.entriesPerTable })
        for (table, indices) in tables.sorted(by: { $0.key < $1.key }) {
            var bytes = [UInt8](repeating: 0, count: QCOW2Layout.clusterSize)
            for index in indices {
                guard let cluster = clusters[index] else { continue }
                let copied: UInt64 = cluster.hostOffset == 0 ? 0 : 1 << 63
                let bitmap = UInt64(cluster.zeros) << 32 | UInt64(cluster.data)
                let position = index % QCOW2Layout.entriesPerTable * QCOW2Layout.entryBytes
                var entry: [UInt8] = []
                entry.appendBigEndian(UInt64(cluster.hostOffset) | copied)
                entry.appendBigEndian(bitmap)
                bytes.replaceSubrange(position..<position + QCOW2Layout.entryBytes, with: entry)
            }
            try file.write(bytes, at: end)
            firstLevel[table] = UInt64(end) | 1 << 63
            end += QCOW2Layout.clusterSize
        }
        clusters.removeAll()
        end = try writeRefcounts(upTo: end)
        try file.resize(to: end)
        var bytes: [UInt8] = []
        for entry in firstLevel { bytes.appendBigEndian(entry) }
        try file.write(bytes, at: QCOW2Layout.firstLevelOffset)
        state.withLock { $0.end = end }
    }

    /// Sets the reference count of every cluster below `end` to 1, and of the clusters that the counts themselves take.
    /// - Returns: the new end of the file.
    @discardableResult
    private func writeRefcounts(upTo end: Int) throws(CloudletError) -> Int {
        var clusters = end / QCOW2Layout.clusterSize
        // Block 0 has a fixed position. Each further block takes a cluster at the end, which needs a count as well.
        var blocks = 1
        while blocks * QCOW2Layout.refcountsPerBlock < clusters {
            blocks += 1
            clusters += 1
        }
        var table: [UInt8] = []
        for block in 0..<blocks {
            let offset =
                block == 0 ? QCOW2Layout.refcountBlockOffset : (clusters - blocks + block) * QCOW2Layout.clusterSize
            table.appendBigEndian(UInt64(offset))
            let used = min(QCOW2Layout.refcountsPerBlock, clusters - block * QCOW2Layout.refcountsPerBlock)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(used * 2)
            for _ in 0..<used { bytes.appendBigEndian(UInt16(1)) }
            try file.write(bytes, at: offset)
        }
        try file.write(table, at: QCOW2Layout.refcountTableOffset)
        return clusters * QCOW2Layout.clusterSize
    }
}
