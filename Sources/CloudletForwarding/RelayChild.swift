// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import NIOCore
import NIOPosix
import SystemPackage

/// The process that relays the ports of one VM: the program's own executable, started with a first argument that has no
/// other use. It lives exactly as long as the VM's emulator, so that the ports also work while the program that made
/// the VM is restarted or has ended.
package enum RelayChild {
    /// The name of the process.
    static let name = "cloudlet-relay"
    /// How long its lock file may be locked by others. They look for a moment whether it is locked (`FileLock.isHeld`).
    private static let lockLimit = Duration.seconds(3)

    /// Runs the relay process and never returns, if the arguments ask for it. Must be called first in `main`.
    package static func runIfRequested(arguments: [String] = CommandLine.arguments) {
        let own = Array(arguments.dropFirst())
        guard own.first == RelayTask.marker else { return }
        guard let task = RelayTask(own) else { exit(CloudletError.Code.usage.exitStatus) }
        do {
            try run(task)
            exit(0)
        } catch {
            say(RelayReport.failed("\(error)").line)
            exit(error.code.exitStatus)
        }
    }

    private static func run(_ task: RelayTask) throws(CloudletError) {
        MallocArenas.limit()
        DescriptorLimit.raise()
        signal(SIGPIPE, SIG_IGN)
        // Not to keep a file system busy.
        _ = unsafe chdir("/")
        ProcessName.set(name)
        let lock = try acquire(task.lock)
        guard let emulator = ProcessHandle(task.emulator) else {
            throw CloudletError(.unavailable, "the VM's emulator has ended")
        }
        var relays: [PortRelay] = []
        let report = listen(task, &relays)
        if case .listening(let ports) = report {
            let record = RelayRecord(process: getpid(), task: task.fixed(at: ports))
            try File(task.lock, .readWrite).write(Array(record.text.utf8), at: 0)
        }
        say(report.line)
        if case .listening = report { emulator.waitForEnd() }
        // The ports must be free when the lock is.
        for relay in relays { relay.close() }
        withExtendedLifetime(lock) {}
    }

    private static func acquire(_ path: FilePath) throws(CloudletError) -> FileLock {
        let end = ContinuousClock.now + lockLimit
        repeat {
            if let lock = try FileLock.tryAcquire(path, creating: false) { return lock }
            // flock(2) knows no time limit.
            usleep(10_000)
        } while ContinuousClock.now < end
        throw CloudletError(.busy, "another process holds the lock file \(path)")
    }

    /// Listens on all ports, or reports the first one that can't be used.
    private static func listen(_ task: RelayTask, _ relays: inout [PortRelay]) -> RelayReport {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let gate = AcceptGate(limit: RelayLimits.relayed + RelayLimits.waiting + RelayLimits.examined)
        let admission = RelayAdmission()
        for (index, rule) in task.rules.enumerated() {
            func relay(_ port: UInt16) throws -> PortRelay {
                try PortRelay(
                    listeningOn: rule.address, port, to: rule.target, on: group, gate: gate, admission: admission)
            }
            do {
                relays.append(try relay(rule.port))
            } catch {
                if rule.mayMove, let moved = try? relay(0) {
                    relays.append(moved)
                    continue
                }
                return .refused(rule: index, reason: (error as? IOError)?.errnoCode ?? EIO)
            }
        }
        return .listening(relays.map(\.port))
    }

    /// Writes the report, and closes the output: nobody reads it any longer.
    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        let count = bytes.count
        _ = unsafe write(STDOUT_FILENO, bytes, count)
        let nowhere = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        if nowhere >= 0 { dup2(nowhere, STDOUT_FILENO) }
    }
}
