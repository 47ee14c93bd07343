// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import SystemPackage

/// A control group with a memory limit, for processes of a test.
package struct MemoryGroup: Sendable {
    private let directory: FilePath
    /// Whether it is version 2, the unified hierarchy.
    private let isUnified: Bool

    /// Why this process can't make a control group; `nil` when it can.
    package static let refusal: String? = {
        do {
            Directory.removeEmpty([try MemoryGroup(limit: 64 << 20).directory])
            return nil
        } catch {
            return "needs a control group of memory that can be written: \(error)"
        }
    }()

    /// Makes a group at the top of the hierarchy.
    /// - Throws: an error when there is no hierarchy, or no group can be made in it.
    package init(limit: Int) throws(CloudletError) {
        let single: FilePath = "/sys/fs/cgroup/memory"
        isUnified = try FileStatus.of(single.appending("memory.limit_in_bytes")) == nil
        let top: FilePath = isUnified ? "/sys/fs/cgroup" : single
        directory = top.appending("cloudlet-test-\(UInt32.random(in: 0 ... .max))")
        try Directory.create(directory)
        do { try setLimit(limit) } catch {
            Directory.removeEmpty([directory])
            throw error
        }
    }

    /// Limits the memory of its processes, and disables swap for them.
    package func setLimit(_ bytes: Int) throws(CloudletError) {
        if isUnified {
            try write(String(bytes), to: "memory.max")
            try? write("0", to: "memory.swap.max")
        } else {
            // The limit including swap must never be below the one without, so it may have to be set before or after
            // it.
            try? write(String(bytes), to: "memory.memsw.limit_in_bytes")
            try write(String(bytes), to: "memory.limit_in_bytes")
            try? write(String(bytes), to: "memory.memsw.limit_in_bytes")
        }
    }

    /// A command that mounts the hierarchy at /run/groups, because hosts of a lab have none below /sys.
    package var showing: String {
        "mkdir -p /run/groups && mount -t \(isUnified ? "cgroup2" : "cgroup -o memory") none /run/groups"
    }

    /// Moves a process into the group. Memory that the process already uses stays counted in its former group.
    package func add(_ process: Int32) throws(CloudletError) { try write(String(process), to: "cgroup.procs") }

    /// Removes the group when its processes have ended.
    package func remove() async throws {
        let isGone = try await poll(every: .milliseconds(20), for: .seconds(60)) { () throws(CloudletError) in
            Directory.removeEmpty([directory])
            return try FileStatus.of(directory) == nil
        }
        if !isGone { throw CloudletError(.busy, "\(directory) still has processes") }
    }

    private func write(_ text: String, to name: String) throws(CloudletError) {
        try File(directory.appending(name), .readWrite).write(Array(text.utf8), at: 0)
    }
}
