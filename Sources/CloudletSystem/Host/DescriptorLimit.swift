package import CloudletCore
import Glibc
import SystemPackage

/// How many files, sockets among them, this process may have open (getrlimit(2), RLIMIT_NOFILE).
///
/// They must never be used up: libdispatch opens files below /proc every second and ends the process with an illegal
/// instruction when it can't ("workq: registered worker exited prematurely"). Where it is the whole system that has no more
/// files, the node's `DispatchFiles` help.
package enum DescriptorLimit {
    /// What a node needs: enough for all connections and VMs, and few enough for programs that go through all numbers when
    /// they start.
    package static let wanted = 16 << 10

    /// The limit in force.
    package static var current: Int { Int(clamping: limits().rlim_cur) }

    /// Raises the limit as far as the system lets everybody, up to `wanted`; never lowers it.
    /// - Returns: the limit in force.
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

    /// Lowers the limit to `most`: for libraries that use select(2), to which a number of 1,024 or more is a write into
    /// foreign memory.
    package static func lower(to most: Int) {
        var limits = limits()
        guard limits.rlim_cur > rlim_t(max(0, most)) else { return }
        limits.rlim_cur = rlim_t(max(0, most))
        set(limits)
    }

    /// Fails unless the program can open the files that it needs at least: its parent may have set a low limit, or left many
    /// files open. Must be called before anything that runs on libdispatch.
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

    /// Descriptors without which no program of ours gets anywhere.
    private static let least = 32

    /// Fails unless `count` files more can be opened.
    /// - Throws: `CloudletError.busy`.
    package static func requireRoom(for count: Int) throws(CloudletError) {
        // Where not even the list can be opened, there is no room.
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
