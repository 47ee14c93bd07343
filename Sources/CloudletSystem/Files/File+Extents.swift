// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc

extension File {
    /// The first range of stored data at or after `offset`, as the file system reports it (SEEK_DATA, SEEK_HOLE); `nil`
    /// when only holes follow. Holes read as zeros. A range of data can contain zeros too.
    ///
    /// For a tmpfs file this saves memory: reading its holes through a mapping would allocate them.
    package func nextDataExtent(from offset: Int) throws(CloudletError) -> Range<Int>? {
        let start = lseek(descriptor, off_t(offset), cloudlet_seek_data)
        if start < 0 {
            if errno == ENXIO { return nil }
            throw CloudletError(errno: errno, "can't find the data in \(path)")
        }
        let end = lseek(descriptor, start, cloudlet_seek_hole)
        guard end > start else { throw CloudletError(errno: errno, "can't find the holes in \(path)") }
        return Int(start)..<Int(end)
    }

    /// Calls `body` with every range of stored data inside `range`, widened to whole pages and cut to `range`.
    package func forEachDataExtent(
        in range: Range<Int>, _ body: (Range<Int>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        var position = range.lowerBound
        while position < range.upperBound, let extent = try nextDataExtent(from: position) {
            let start = max(extent.lowerBound / Page.size * Page.size, position)
            let end = min(Page.roundUp(extent.upperBound), range.upperBound)
            guard start < end else { return }
            try body(start..<end)
            position = end
        }
    }
}
