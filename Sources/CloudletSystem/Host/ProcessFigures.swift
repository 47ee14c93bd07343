// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The resources that this process uses, from /proc/self.
package struct ProcessFigures: Sendable, Hashable {
    /// Resident memory, in bytes.
    package let residentBytes: Int
    /// Address space, in bytes.
    package let virtualBytes: Int
    /// Number of open file descriptors.
    package let openFiles: Int
    /// Number of threads.
    package let threads: Int
    /// Processor time used, in seconds.
    package let processorSeconds: Double
    /// Start time, in seconds since 1970.
    package let started: Double

    /// The current figures; `nil` when the system does not report them.
    package static func current() -> ProcessFigures? {
        // The program's name is in parentheses and can contain any character. The numbers follow the last parenthesis.
        guard let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
            let threads = Int(fields[17]), let start = Double(fields[19]), let virtual = Int(fields[20]),
            let pages = Int(fields[21])
        else { return nil }
        let boot = text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Double($0.dropFirst(6)) }
        let files = try? Directory.names(in: "/proc/self/fd")
        return ProcessFigures(
            residentBytes: min(max(0, pages), Int.max >> 20) * Int(getpagesize()), virtualBytes: virtual,
            // Reading the directory opens one descriptor more.
            openFiles: max(0, (files?.count ?? 1) - 1), threads: threads, processorSeconds: (user + system) / ticks,
            started: (boot ?? 0) + start / ticks)
    }

    /// The processor time that another process has used; `nil` when there is no such process.
    package static func processorTime(of process: Int32) -> Duration? {
        guard let stat = text(FilePath("/proc/\(process)/stat")), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return .seconds((user + system) / Double(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }

    private static func text(_ path: FilePath) -> String? {
        guard let bytes = try? File(path, .read).read(1 << 16, at: 0) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
