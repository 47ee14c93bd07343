// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
import SystemPackage

/// The number of files and sockets that this process may have open (getrlimit(2), RLIMIT_NOFILE).
///
/// The process must never reach the limit: libdispatch opens files below /proc every second, and if it can't, it ends
/// the process with an illegal instruction ("workq: registered worker exited prematurely"). When the whole system has
/// no more files, the node's `DispatchFiles` help.
package enum DescriptorLimit {
    /// The limit for a node: enough for all connections and VMs, and small enough for programs that loop over all
    /// descriptor numbers when they start.
    package static let wanted = 16 << 10

    /// The current limit.
    package static var current: Int { Int(clamping: limits().rlim_cur) }

    /// Raises the limit to `wanted`, or as far as the system allows any user. Never lowers it.
    /// - Returns: the current limit.
    @discardableResult
    package static func raise(to wanted: Int = wanted) -> Int {
        var limits = limits()
        let possible = min(rlim_t(max(0, wanted)), limits.rlim_max)
        if possible > limits.rlim_cur {
            limits.rlim_cur = possible
            set(limits)
        }
        return current
    }

    /// Lowers the limit to `most`, for libraries that use select(2), which writes outside of its buffer for a
    /// descriptor of 1,024 or more.
    package static func lower(to most: Int) {
        var limits = limits()
        guard limits.rlim_cur > rlim_t(max(0, most)) else { return }
        limits.rlim_cur = rlim_t(max(0, most))
        set(limits)
    }

    /// Throws unless the program can open the minimum number of files: its parent may have set a low limit or left many
    /// files open. Must be called before anything that uses libdispatch.
    /// - Throws: `CloudletError.busy`.
    package static func requireLeast() throws(CloudletError) {
        var taken: [Int32] = []
        defer { for descriptor in taken { close(descriptor) } }
        for _ in 0..<least {
            let descriptor = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
            guard descriptor >= 0 else {
                throw CloudletError(errno: errno, "can't open the \(least) files that every program of cloudlet needs")
            }
            taken.append(descriptor)
        }
    }

    /// The minimum number of descriptors for every program of this package.
    private static let least = 32

    /// Throws unless `count` more files can be opened.
    /// - Throws: `CloudletError.busy`.
    package static func requireRoom(for count: Int) throws(CloudletError) {
        // If not even the list of open files can be opened, there is no room.
        let open = (try? Directory.names(in: "/proc/self/fd").count) ?? .max
        guard open > current - count else { return }
        throw CloudletError(
            .busy, "the node has too many files and connections open",
            advice: "try again later, or let the node's owner raise the limit of open files (LimitNOFILE, ulimit -Hn)")
    }

    private static func limits() -> rlimit {
        var limits = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        return limits
    }

    private static func set(_ limits: rlimit) {
        _ = unsafe withUnsafePointer(to: limits) {
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), $0)
        }
    }
}
