// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// How much of the machine's memory the control groups of this process, its own and those above, allow. When guests use
/// more, the kernel kills a process.
///
/// Reads both kinds of hierarchies, because on hybrid systems the memory controller can be in either. Sources:
/// Linux, Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst; proc(5), cgroups(7).
struct ControlGroupMemory: Hashable {
    /// The smallest limit of these groups, in bytes.
    let limit: Int
    /// Free memory in the group that has the least, in bytes. Cached file pages count as free, because the kernel
    /// reclaims them when memory is needed.
    let free: Int
    /// The file that sets the smallest limit.
    let source: FilePath

    /// The current figures.
    /// - Parameter root: the directory used in place of `/`.
    /// - Returns: the figures; `nil` when no group sets a limit.
    static func current(root: FilePath = "/") -> ControlGroupMemory? {
        let hierarchies = root == "/" ? here : Hierarchy.all(root)
        guard !hierarchies.isEmpty else { return nil }
        let groups = text(root.pushing("proc/self/cgroup")).split(separator: "\n")
        return hierarchies.flatMap { hierarchy in groups.flatMap { hierarchy.figures(ofGroup: $0) } }
            .reduce(nil) { $0?.joined($1) ?? $1 }
    }

    /// The mount points of control groups do not change while a system runs.
    private static let here = Hierarchy.all("/")

    private func joined(_ other: ControlGroupMemory) -> ControlGroupMemory {
        ControlGroupMemory(
            limit: min(limit, other.limit), free: min(free, other.free),
            source: other.limit <= limit ? other.source : source)
    }

    fileprivate static func text(_ path: FilePath, limit: Int = 64 << 10) -> String {
        guard let bytes = try? File(path, .read).read(limit, at: 0) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A mounted hierarchy of control groups that can have the memory controller.
private struct Hierarchy {
    /// Whether it is version 2, the unified hierarchy.
    let isUnified: Bool
    /// The group at the mount point: `/`, unless only a part of the hierarchy is mounted, as in containers.
    let top: String
    /// The mount point.
    let mount: FilePath

    /// The mounted hierarchies (proc(5), /proc/PID/mountinfo).
    static func all(_ root: FilePath) -> [Hierarchy] {
        ControlGroupMemory.text(root.pushing("proc/self/mountinfo"), limit: 4 << 20).split(separator: "\n").compactMap {
            line in
            let halves = line.split(separator: " - ", maxSplits: 1)
            guard halves.count == 2 else { return nil }
            let (fields, type) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
            guard fields.count >= 5, type.count >= 3 else { return nil }
            let isUnified = type[0] == "cgroup2"
            guard isUnified || type[0] == "cgroup" && type[2].split(separator: ",").contains("memory") else {
                return nil
            }
            let mount = FilePath(unescaped(fields[4]))
            return Hierarchy(
                isUnified: isUnified, top: unescaped(fields[3]), mount: root.pushing(mount.removingRoot()))
        }
    }

    /// The text of a field, in which blanks and similar characters are written as a backslash and three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let value = UInt8(String(rest.prefix(3)) ?? "", radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The figures of the group in a line of /proc/self/cgroup (`ID:CONTROLLERS:PATH`) and of the groups above it; none
    /// if the line belongs to another hierarchy.
    func figures(ofGroup line: Substring) -> [ControlGroupMemory] {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { return [] }
        let isOurs = isUnified ? fields[1].isEmpty : fields[1].split(separator: ",").contains("memory")
        guard isOurs else { return [] }
        var names = part(of: fields[2])
        var found: [ControlGroupMemory] = []
        while true {
            let directory = names.reduce(mount) { $0.appending(String($1)) }
            if let figures = isUnified ? unified(directory) : single(directory) { found.append(figures) }
            guard names.popLast() != nil else { return found }
            // With `use_hierarchy` 0, a group of version 1 does not count the memory of the groups below it.
            let above = names.reduce(mount) { $0.appending(String($1)) }
            if !isUnified, number(above, "memory.use_hierarchy") == 0 { return found }
        }
    }

    /// The names on the path from the mount point to a group; none if the group is not below it.
    private func part(of group: Substring) -> [Substring] {
        let (path, above) = (group.split(separator: "/"), top.split(separator: "/"))
        guard path.starts(with: above), !path.contains("..") else { return [] }
        return Array(path.dropFirst(above.count))
    }

    private func number(_ directory: FilePath, _ file: String) -> Int? {
        let text = ControlGroupMemory.text(directory.appending(file), limit: 64)
        return Int(text.prefix { !$0.isNewline })
    }

    private func statistics(_ directory: FilePath) -> [Substring: Int] {
        let lines = ControlGroupMemory.text(directory.appending("memory.stat")).split(separator: "\n")
        return Dictionary(
            lines.compactMap { line in
                let words = line.split(separator: " ")
                return words.count == 2 ? Int(words[1]).map { (words[0], $0) } : nil
            }, uniquingKeysWith: { first, _ in first })
    }

    private func unified(_ directory: FilePath) -> ControlGroupMemory? {
        // Above `memory.high`, the kernel slows processes down until they hardly run.
        let limits = ["memory.max", "memory.high"].compactMap { file in
            number(directory, file).map { (limit: $0, source: directory.appending(file)) }
        }
        guard let (limit, source) = limits.min(by: { $0.limit < $1.limit }),
            let usage = number(directory, "memory.current")
        else { return nil }
        let figures = statistics(directory)
        return Self.figures(
            limit, usage, cached: Self.sum(figures, "inactive_file", "active_file"),
            dirty: Self.sum(figures, "file_dirty", "file_writeback"), source)
    }

    private func single(_ directory: FilePath) -> ControlGroupMemory? {
        let file = "memory.limit_in_bytes"
        guard let own = number(directory, file), let usage = number(directory, "memory.usage_in_bytes") else {
            return nil
        }
        let figures = statistics(directory)
        // This includes groups above the mount point, if only a part of the hierarchy is mounted.
        let limit = min(own, figures["hierarchical_memory_limit"] ?? own)
        guard limit < Self.unlimited else { return nil }
        return Self.figures(
            limit, usage, cached: Self.sum(figures, "total_inactive_file", "total_active_file"),
            dirty: Self.sum(figures, "total_dirty", "total_writeback"),
            directory.appending(limit < own ? "memory.stat" : file))
    }

    /// Version 1 reports a missing limit as the largest number of whole pages.
    private static let unlimited = Int.max >> 1

    private static func sum(_ figures: [Substring: Int], _ names: Substring...) -> Int {
        names.reduce(0) { sum, name in
            let (next, overflows) = sum.addingReportingOverflow(max(0, figures[name] ?? 0))
            return overflows ? .max : next
        }
    }

    /// The kernel reclaims cached pages when memory is needed, but dirty pages must be written first.
    private static func figures(
        _ limit: Int, _ usage: Int, cached: Int, dirty: Int, _ source: FilePath
    ) -> ControlGroupMemory {
        let (limit, usage) = (max(0, limit), max(0, usage))
        let used = usage - min(usage, max(0, cached - dirty))
        return ControlGroupMemory(limit: limit, free: max(0, limit - used), source: source)
    }
}
