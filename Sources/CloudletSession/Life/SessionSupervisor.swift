// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Logging

/// Runs the syntheses of sessions and keeps their VMs as long as the sessions last, independently of their connections.
/// A session ends when its client is done, when no connection comes in time after one was lost, when its VM ends, or
/// when the node stops.
struct SessionSupervisor: Sendable {
    /// A session whose overlay begins to arrive.
    struct Job: Sendable {
        let session: Session
        let request: SynthesisRequest
        /// The session that this one replaces; it is about to end.
        var former: Session?
    }

    private let jobs: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation
    private let backend: any SynthesisBackend
    private let unended: UnendedVMs
    private let timeouts: @Sendable () -> SessionState.Timeouts
    private let keepsVMs: Bool
    private let logger: Logger

    init(
        backend: any SynthesisBackend, unended: UnendedVMs,
        timeouts: @escaping @Sendable () -> SessionState.Timeouts, keepsVMs: Bool, logger: Logger
    ) {
        self.keepsVMs = keepsVMs
        self.backend = backend
        self.unended = unended
        self.timeouts = timeouts
        self.logger = logger
        (jobs, continuation) = AsyncStream.makeStream(of: Job.self)
    }

    /// Starts to supervise a session.
    func start(_ job: Job) { continuation.yield(job) }

    /// Runs until the task is cancelled. When it returns, all VMs have ended, unless VMs are to be kept or could not be
    /// ended.
    func run(adopting adopted: [AdoptedSession], table: SessionTable) async {
        await withDiscardingTaskGroup { group in
            for entry in adopted {
                let session = Session(adopting: entry.status, changed: table.noteChange)
                await table.adopt(session)
                group.addTask { await keep(entry.machine, for: session, entry.reservation) }
            }
            for await job in jobs {
                group.addTask { await perform(job) }
            }
            group.cancelAll()
        }
    }

    private func perform(_ job: Job) async {
        let session = job.session
        do throws(CloudletError) {
            let admitted = try await unlessEnding(session) { () async throws(CloudletError) in
                await job.former?.wait(for: .ended)
                return try await backend.admit(job.request, progress: session.note)
            } undo: {
                $0.reservation.release()
            }
            let reservation = admitted.reservation
            defer { reservation.release() }
            let meta = job.request.meta
            let unneeded = admitted.boots ? meta.memoryBlobs : []
            guard session.admit(without: unneeded, bytes: unneeded.reduce(0) { $0 + meta.blobs[$1].size }) else {
                throw Self.interruption(of: session)
            }
            let machine = try await unlessEnding(session) { () async throws(CloudletError) in
                try await backend.synthesize(
                    job.request, boots: admitted.boots, from: session.pieces, progress: session.note)
            } undo: {
                await end($0, of: session, reservation)
            }
            guard session.run(machine) else {
                await end(machine, of: session, reservation)
                throw Self.interruption(of: session)
            }
            reservation.settle()
            await backend.note(session.status)
            session.announce(machine)
            logger.info(
                "VM runs",
                metadata: ["session": "\(session.id)", "client": "\(job.request.client)", "vm": "\(machine.name)"])
            await keep(machine, for: session, reservation)
        } catch {
            session.fail(error)
            logger.notice(
                "session failed",
                metadata: [
                    "session": "\(session.id)", "client": "\(job.request.client)",
                    "reason": "\(error.description.displayable(limit: 400))",
                ])
        }
    }

    private static func interruption(of session: Session) -> CloudletError {
        CloudletError(.interrupted, session.endReason?.description ?? "interrupted")
    }

    /// Runs `body`. If the session's end is requested meanwhile, `body` is cancelled, and a VM that it has started
    /// nevertheless is ended.
    private func unlessEnding<Value: Sendable>(
        _ session: Session, _ body: @escaping @Sendable () async throws(CloudletError) -> Value,
        undo: (Value) async -> Void
    ) async throws(CloudletError) -> Value {
        let result = await withTaskGroup(of: Result<Value, CloudletError>?.self) { group in
            group.addTask {
                do throws(CloudletError) { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask {
                await session.waitForEndRequest(timeouts)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            // Wait for `body` in any case, because a VM that it has started must be ended.
            let last = await group.next() ?? nil
            return first ?? last
        }
        guard let result else { throw CloudletError(.interrupted, "interrupted") }
        if Task.isCancelled { session.requestEnd(.nodeStopped) }
        guard session.endReason != nil else { return try result.get() }
        if case .success(let value) = result { await undo(value) }
        throw Self.interruption(of: session)
    }

    /// Keeps a VM running until its session ends. If the node stops and VMs are to be kept, it leaves the VM running.
    private func keep(_ machine: any SynthesizedVM, for session: Session, _ reservation: Reservation) async {
        await waitForEndRequest(of: session, machine)
        if Task.isCancelled, keepsVMs, session.endReason == nil {
            logger.notice("VM is left running", metadata: ["session": "\(session.id)", "vm": "\(machine.name)"])
            return
        }
        session.requestEnd(.nodeStopped)
        if case .vmFailed(let failure) = session.endReason {
            logger.error(
                "a VM failed",
                metadata: ["session": "\(session.id)", "vm": "\(machine.name)", "reason": "\(failure.text)"])
        }
        logger.debug(
            "stage begins", metadata: ["session": "\(session.id)", "stage": "\(TimedStage.endVM.rawValue)"])
        await end(machine, of: session, reservation)
        session.end()
        logger.info(
            "session ended",
            metadata: ["session": "\(session.id)", "reason": "\(session.endReason?.description ?? "")"])
    }

    /// Ends a VM and releases its reservation, now or as soon as it is possible.
    private func end(_ machine: any SynthesizedVM, of session: Session, _ reservation: Reservation) async {
        await unended.end(machine.name, of: session.id, holding: reservation) { () async throws(CloudletError) in
            try await machine.end()
        }
    }

    /// Waits until the end of a session with a VM is requested or the task is cancelled. Requests the end itself when
    /// the VM ends.
    private func waitForEndRequest(of session: Session, _ machine: any SynthesizedVM) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                let failure = await machine.waitForEnd()
                guard !Task.isCancelled else { return }
                session.requestEnd(failure.map { .vmFailed(.init($0)) } ?? .vmEnded)
            }
            await session.waitForEndRequest(timeouts)
            group.cancelAll()
        }
    }
}
