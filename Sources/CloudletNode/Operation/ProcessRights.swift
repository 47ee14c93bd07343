// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Glibc
import SystemPackage

/// The privileges of this process, from /proc/self/status.
struct ProcessRights: Sendable, Hashable {
    let user: String
    /// Effective capabilities: `none`, `all`, or the kernel's hexadecimal set.
    let capabilities: String
    let noNewPrivileges: Bool
    /// Whether a system-call filter is active.
    let isFiltered: Bool
    let isRoot: Bool

    static func current() -> ProcessRights {
        let bytes = (try? File("/proc/self/status", .read).read(1 << 14, at: 0)) ?? []
        var fields: [Substring: Substring] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1].drop { $0 == "\t" || $0 == " " } }
        }
        let effective = fields["CapEff"].flatMap { UInt64($0, radix: 16) } ?? 0
        let bounding = fields["CapBnd"].flatMap { UInt64($0, radix: 16) } ?? 0
        let isAll = effective == bounding && effective.nonzeroBitCount > 30
        return ProcessRights(
            user: userName, capabilities: effective == 0 ? "none" : isAll ? "all" : String(effective, radix: 16),
            noNewPrivileges: fields["NoNewPrivs"] == "1", isFiltered: fields["Seccomp"] == "2", isRoot: geteuid() == 0)
    }

    private static var userName: String {
        let entry = unsafe getpwuid(geteuid())
        guard let entry = unsafe entry, let name = unsafe entry.pointee.pw_name else { return String(geteuid()) }
        return unsafe String(cString: name)
    }
}
