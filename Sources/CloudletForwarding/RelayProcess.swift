// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Glibc
import Subprocess
package import SystemPackage

/// Starts the process that relays the ports of a VM, and starts it again if it ends before the VM's emulator.
package struct RelayProcess: Sendable {
    private let executable: FilePath

    /// The name of the lock file in the scratch directory of a VM.
    private static let lockName = "port-relay"
    /// The pause before a process that has ended is started again.
    private static let pause = Duration.milliseconds(500)
    /// The longest pause between attempts to start it.
    private static let longestPause = Duration.seconds(30)
    /// How long a process may take to report.
    private static let startLimit = Duration.seconds(20)
    /// How long a process may take to end after the emulator.
    private static let endLimit = Duration.seconds(5)

    /// Why the ports are not relayed.
    package struct Refusal: Error, Hashable {
        /// The index of the rule whose port can't be listened on.
        package let rule: Int
        /// The system's reason.
        package let reason: Errno
    }

    /// Creates a starter. `executable` is a program that calls `RelayChild.runIfRequested` first; by default the
    /// running one.
    package init(executable: FilePath = "/proc/self/exe") { self.executable = executable }

    /// Starts a relay process, which ends when the emulator ends.
    /// - Parameters:
    ///   - rules: the ports.
    ///   - emulator: the process of the VM's emulator.
    ///   - directory: the VM's scratch directory.
    ///   - restarted: is called when the process ended before the emulator and another one relays the same ports, and
    ///     with the reason if the first attempt to start one fails.
    /// - Returns: the ports on which it listens, in the order of the rules, or the reason why it can't.
    /// - Throws: `CloudletError` when the process can't be started.
    package func start(
        _ rules: [RelayTask.Rule], emulator: Int32, directory: FilePath,
        restarted: @escaping @Sendable (_ failure: String?) -> Void = { _ in }
    ) async throws(CloudletError) -> Result<[UInt16], Refusal> {
        let lock = directory.appending(Self.lockName)
        // Only this process makes the file, so a relay process can't make one in a directory that is being removed.
        _ = try FileLock.tryAcquire(lock)
        let task = RelayTask(emulator: emulator, lock: lock, rules: rules)
        let (reports, reporter) = AsyncStream.makeStream(of: Result<RelayReport, CloudletError>.self)
        // Not a child task: the process lives as long as the emulator.
        Task { await supervise(task, reporter, restarted) }
        let first = await shielded { await reports.first { _ in true } }
        switch try first?.get() {
        case .listening(let ports) where ports.count == rules.count: return .success(ports)
        case .refused(let rule, let reason) where rules.indices.contains(rule):
            return .failure(Refusal(rule: rule, reason: Errno(rawValue: reason)))
        case .failed(let reason):
            throw CloudletError(
                .busy, "the process that relays the ports of a VM failed: \(reason)", advice: "try again later")
        default:
            throw CloudletError(
                .busy, "the process that relays the ports of a VM ended without a report", advice: "try again later")
        }
    }

    /// Starts a relay process again if the one that an earlier program started ends before the emulator.
    /// - Parameters:
    ///   - directory: the scratch directory of a VM that runs.
    ///   - restarted: see ``start(_:emulator:directory:restarted:)``.
    package func adopt(in directory: FilePath, restarted: @escaping @Sendable (_ failure: String?) -> Void = { _ in }) {
        let lock = directory.appending(Self.lockName)
        guard var record = RelayRecord(in: lock) else { return }
        record.task.lock = lock
        Task { [record] in
            guard let emulator = ProcessHandle(record.task.emulator) else { return }
            // A process that does not hold the lock is not the relay.
            if (try? FileLock.isHeld(lock)) == true, let relay = ProcessHandle(record.process) {
                await relay.untilEnd()
            }
            await restart(record.task, until: emulator, restarted)
        }
    }

    /// Runs one process after the other until the emulator ends. The report of the first one is put out.
    private func supervise(
        _ task: RelayTask, _ reporter: AsyncStream<Result<RelayReport, CloudletError>>.Continuation,
        _ restarted: @Sendable (_ failure: String?) -> Void
    ) async {
        // Opened once, because another process can get the number later.
        guard let emulator = ProcessHandle(task.emulator) else { return reporter.finish() }
        let first = await run(task) { reporter.yield(.success($0)) }
        if case .failure(let error) = first { reporter.yield(.failure(error)) }
        reporter.finish()
        guard case .success(.listening(let ports)?) = first else { return }
        await restart(task.fixed(at: ports), until: emulator, restarted)
    }

    /// Starts one process after the other until the emulator ends.
    private func restart(
        _ task: RelayTask, until emulator: borrowing ProcessHandle, _ restarted: @Sendable (_ failure: String?) -> Void
    ) async {
        var pause = Self.pause
        while !emulator.hasEnded {
            // The process reported no reason for its end, so there is nothing to wait for.
            try? await Task.sleep(for: pause)
            let isFirstTry = pause == Self.pause
            let last = await run(task) { report in
                if case .listening = report { restarted(nil) }
            }
            if case .success(.listening?) = last {
                pause = Self.pause
                continue
            }
            if isFirstTry, !emulator.hasEnded { restarted(Self.reason(of: last)) }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// Why a process that has ended did not relay.
    private static func reason(of result: Result<RelayReport?, CloudletError>) -> String {
        switch result {
        case .success(.refused(_, let number)?): Errno(rawValue: number).description
        case .success(.failed(let reason)?): reason
        case .success: "it ended without a report"
        case .failure(let error): "\(error)"
        }
    }

    /// Runs one process to its end.
    /// - Returns: what it reported.
    private func run(
        _ task: RelayTask, _ reported: @Sendable (RelayReport) -> Void
    ) async -> Result<RelayReport?, CloudletError> {
        var platform = PlatformOptions()
        platform.createSession = true
        do {
            let result = try await Subprocess.run(
                .path(executable), arguments: Arguments(task.arguments), platformOptions: platform, input: .none,
                output: .sequence, error: .discarded
            ) { execution in
                var lines = execution.standardOutput.strings().makeAsyncIterator()
                let line = try await withDeadline(Self.startLimit) { () async throws(CloudletError) in
                    try? await lines.next()
                } orEnd: { _ in
                    try? execution.send(signal: .kill)
                }
                let report = line.flatMap { RelayReport(line: $0) }
                if let report { reported(report) }
                return report
            }
            return .success(result.closureResult)
        } catch {
            return .failure(
                CloudletError(.busy, "the process that relays the ports of a VM can't be started", cause: error))
        }
    }

    /// Waits until the relay process of a VM whose emulator has ended has closed its ports and ended too, so that
    /// another VM can use the ports.
    /// - Parameter directory: the VM's scratch directory.
    package static func waitForEnd(in directory: FilePath) async {
        let lock = directory.appending(lockName)
        await shielded {
            guard await !isReleased(lock, within: endLimit) else { return }
            // The process holds the lock, so the record is its own.
            guard let record = RelayRecord(in: lock) else { return }
            ProcessHandle(record.process)?.send(SIGKILL)
            _ = await isReleased(lock, within: endLimit)
        }
    }

    private static func isReleased(_ lock: FilePath, within limit: Duration) async -> Bool {
        // flock(2) knows no time limit.
        let isFree = try? await poll(every: .milliseconds(2), upTo: .milliseconds(20), for: limit) {
            () throws(CloudletError) in try !FileLock.isHeld(lock)
        }
        return isFree ?? true
    }
}
