// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import SystemPackage

extension VirtualMachine {
    /// Waits until the VM really runs: libvirt and QEMU do not report it as paused, and the thread of a virtual CPU has
    /// got processor time after the call.
    /// - Throws: `CloudletError.unavailable` when this is not so after two seconds.
    package func requireExecution() async throws(CloudletError) {
        let threads = try virtualCPUs().map(\.thread)
        let before = threads.map(Self.runTime)
        // The kernel reports no event when a thread gets processor time.
        let executing = try await poll(every: .milliseconds(1), for: .seconds(2)) { () throws(CloudletError) in
            zip(threads.map(Self.runTime), before).contains { now, then in
                guard let now, let then else { return false }
                return now > then
            }
        }
        guard executing, try isRunning() else {
            throw CloudletError(.unavailable, "the VM was resumed, but it does not run")
        }
    }

    /// The emulator's process number.
    package func processID() throws(CloudletError) -> Int32 {
        // The status of a thread contains the number of its process.
        guard let thread = try virtualCPUs().first?.thread,
            let status = try? File(FilePath("/proc/\(thread)/status"), .read).read(4096, at: 0),
            let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first(where: {
                $0.hasPrefix("Tgid:")
            }),
            let process = line.split(whereSeparator: \.isWhitespace).last.flatMap({ Int32($0) })
        else { throw CloudletError(.unavailable, "the emulator of VM \(name) can't be found among the processes") }
        return process
    }

    /// Nanoseconds a thread has run (first field of /proc/TID/schedstat).
    private static func runTime(_ thread: Int) -> UInt64? {
        guard let file = try? File(FilePath("/proc/\(thread)/task/\(thread)/schedstat"), .read),
            let bytes = try? file.read(100, at: 0)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").first.flatMap { UInt64($0) }
    }
}

extension VirtualMachine {
    /// The emulator's version, such as `7.2.22`.
    package func emulatorVersion() throws(CloudletError) -> String {
        struct Version: Decodable {
            struct Numbers: Decodable { let major: Int, minor: Int, micro: Int }
            let qemu: Numbers
        }
        let numbers = try query("query-version", as: Version.self).qemu
        return "\(numbers.major).\(numbers.minor).\(numbers.micro)"
    }
}
