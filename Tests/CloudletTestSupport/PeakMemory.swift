// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import SystemPackage
import Testing

/// Peak of the process's resident memory in MiB since its start, or since the last call with `reset`.
package func peakMemory(reset: Bool) throws -> Int {
    if reset { try File("/proc/self/clear_refs", .readWrite).write(Array("5".utf8), at: 0) }
    let status = String(decoding: try File("/proc/self/status", .read).read(8192, at: 0), as: UTF8.self)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1])) >> 10
}
