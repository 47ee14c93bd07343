// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// The memory that this process and its children can use: that of the machine, from /proc/meminfo, within the limits of
/// control groups.
package struct MemoryFigures: Sendable, Hashable {
    /// Total memory, in bytes.
    package let total: Int
    /// Memory that programs can use without swapping, in bytes.
    package let available: Int
    /// The file that sets a lower limit than the machine's memory, if there is one.
    package let limitedBy: FilePath?

    /// The current figures; zeros when the system does not report them.
    package static func current() -> MemoryFigures { current(root: "/") }

    /// The figures of a system whose files are below `root`.
    package static func current(root: FilePath) -> MemoryFigures {
        guard let file = try? File(root.pushing("proc/meminfo"), .read), let bytes = try? file.read(8192, at: 0) else {
            return MemoryFigures(total: 0, available: 0, limitedBy: nil)
        }
        var figures: [Substring: Int] = [:]
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            // Not every line has a unit, but the ones used here have kB.
            if parts.count >= 2, let value = Int(parts[1]) { figures[parts[0]] = value.multipliedOrMost(by: 1024) }
        }
        // Huge pages are reserved, and this program does not use them.
        let total = max(0, (figures["MemTotal:"] ?? 0) - (figures["Hugetlb:"] ?? 0))
        var available = figures["MemAvailable:"] ?? 0
        if neverOvercommits(root), let limit = figures["CommitLimit:"], let promised = figures["Committed_AS:"] {
            available = min(available, max(0, limit - promised))
        }
        guard let group = ControlGroupMemory.current(root: root) else {
            return MemoryFigures(total: total, available: available, limitedBy: nil)
        }
        return MemoryFigures(
            total: min(total, group.limit), available: min(available, group.free),
            limitedBy: group.limit < total ? group.source : nil)
    }

    /// Whether the kernel refuses memory beyond `CommitLimit` (proc(5), /proc/sys/vm/overcommit_memory).
    private static func neverOvercommits(_ root: FilePath) -> Bool {
        let mode = try? File(root.pushing("proc/sys/vm/overcommit_memory"), .read).read(4, at: 0)
        return mode?.first == UInt8(ascii: "2")
    }
}

extension FixedWidthInteger {
    /// The sum, or the largest number on overflow; for non-negative numbers.
    package func addedOrMost(_ other: Self) -> Self {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }

    /// The product, or the largest number on overflow.
    package func multipliedOrMost(by factor: Self) -> Self {
        let (product, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? .max : product
    }
}
