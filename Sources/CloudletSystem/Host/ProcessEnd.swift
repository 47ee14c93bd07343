// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// How a process ended (waitpid(2)).
package enum ProcessEnd: Hashable, Sendable, CustomStringConvertible {
    /// By itself, with this exit status.
    case exited(Int32)
    /// By a signal.
    case signalled(Int32)

    /// Reads the status that waitpid(2) returns for a process that has ended.
    init(status: Int32) {
        self = cloudlet_was_signalled(status) != 0 ? .signalled(status & 0x7f) : .exited((status >> 8) & 0xff)
    }

    /// The exit status, or the signal's name.
    package var description: String {
        switch self {
        case .exited(let status): "status \(status)"
        case .signalled(let signal): Self.names[signal].map { "SIG\($0)" } ?? "signal \(signal)"
        }
    }

    private static let names: [Int32: String] = [
        SIGHUP: "HUP", SIGINT: "INT", SIGQUIT: "QUIT", SIGILL: "ILL", SIGTRAP: "TRAP", SIGABRT: "ABRT", SIGBUS: "BUS",
        SIGFPE: "FPE", SIGKILL: "KILL", SIGSEGV: "SEGV", SIGPIPE: "PIPE", SIGALRM: "ALRM", SIGTERM: "TERM",
        SIGXCPU: "XCPU", SIGXFSZ: "XFSZ", SIGSYS: "SYS",
    ]
}

/// How often the kernel has killed a process of this machine since boot because memory was short.
package enum OutOfMemoryKills {
    /// The number (`oom_kill` in /proc/vmstat, which includes kills in control groups); `nil` when the kernel does not
    /// report it.
    package static var count: Int? {
        guard let bytes = try? File("/proc/vmstat", .read).read(1 << 16, at: 0) else { return nil }
        return count(in: String(decoding: bytes, as: UTF8.self))
    }

    static func count(in text: String) -> Int? {
        text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }.flatMap { Int($0.dropFirst(9)) }
    }
}
