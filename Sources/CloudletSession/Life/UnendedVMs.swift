// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import Logging
import Synchronization

/// VMs that could not be ended, for example because their emulators don't react to signals. ``run()`` tries each again,
/// at growing intervals, until it has ended. Until then, its resources stay reserved.
package final class UnendedVMs: Sendable {
    private struct VM: Sendable {
        let name: String
        let session: SessionID?
        let reservation: Reservation?
        let end: @Sendable () async throws(CloudletError) -> Void
    }

    /// Keeps the VM, so that its resources stay reserved also after the last attempt.
    private struct Failure {
        let vm: VM
        var error: CloudletError
    }

    private let failures = Mutex<[String: Failure]>([:])
    private let added: AsyncStream<VM>
    private let continuation: AsyncStream<VM>.Continuation
    private let pauses: ClosedRange<Duration>
    private let logger: Logger

    /// Creates an empty list.
    /// - Parameters:
    ///   - pauses: the time before the second attempt, which doubles with each attempt, and the longest time between
    ///     two attempts.
    ///   - logger: receives each VM's first failure, and its end.
    package init(pauses: ClosedRange<Duration> = .seconds(1) ... .seconds(300), logger: Logger) {
        self.pauses = pauses
        self.logger = logger
        (added, continuation) = AsyncStream.makeStream(of: VM.self)
    }

    /// Ends a VM. If that fails, it is added to the list.
    /// - Parameters:
    ///   - name: the VM's name.
    ///   - session: the session that it belongs to.
    ///   - reservation: the resources reserved for it, which are released when it has ended.
    ///   - end: ends the VM; can be called more than once.
    /// - Returns: whether it has ended.
    @discardableResult
    package func end(
        _ name: String, of session: SessionID? = nil, holding reservation: Reservation? = nil,
        _ end: @escaping @Sendable () async throws(CloudletError) -> Void
    ) async -> Bool {
        do throws(CloudletError) {
            try await end()
            reservation?.release()
            return true
        } catch {
            let vm = VM(name: name, session: session, reservation: reservation?.takeOver(), end: end)
            failures.withLock { $0[name] = Failure(vm: vm, error: error) }
            var metadata = Self.metadata(vm)
            metadata["reason"] = "\(error)"
            logger.error("a VM could not be ended, the node tries again", metadata: metadata)
            continuation.yield(vm)
            return false
        }
    }

    /// A line about each VM in the list.
    package var reasons: [String] {
        failures.withLock { failures in
            failures.sorted { $0.key < $1.key }.map { "VM \($0.key) can't be ended: \($0.value.error)" }
        }
    }

    /// Why the VM of a session can't be ended; `nil` if it is not in the list.
    package func failure(of session: SessionID) -> CloudletError? {
        failures.withLock { $0.values.first { $0.vm.session == session }?.error }
    }

    /// Tries to end the VMs until the task is cancelled, and then once more. VMs that are left then are ended by the
    /// next node in the same home.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await vm in added { group.addTask { await self.retry(vm) } }
        }
    }

    private func retry(_ vm: VM) async {
        var pause = pauses.lowerBound
        var isLast = false
        while !isLast {
            // When the node stops, the last attempt follows at once.
            try? await Task.sleep(for: pause)
            isLast = Task.isCancelled
            do throws(CloudletError) {
                try await vm.end()
                failures.withLock { $0[vm.name] = nil }
                vm.reservation?.release()
                logger.notice("a VM that could not be ended before has ended", metadata: Self.metadata(vm))
                return
            } catch {
                failures.withLock { $0[vm.name]?.error = error }
                pause = min(pause * 2, pauses.upperBound)
            }
        }
    }

    private static func metadata(_ vm: VM) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["vm": "\(vm.name)"]
        if let session = vm.session { metadata["session"] = "\(session)" }
        return metadata
    }
}
