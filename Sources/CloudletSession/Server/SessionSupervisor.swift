import CloudletCore
import CloudletSystem
import CloudletWire
import Logging

/// Runs the syntheses of sessions and keeps their VMs alive as long as the sessions last, whichever connection comes
/// and goes, and ends them then: when the client is done, when the time after a lost connection is over, when the VM
/// ended by itself, when the node stops.
struct SessionSupervisor: Sendable {
    /// A session whose overlay begins to come.
    struct Job: Sendable {
        let session: Session
        let request: SynthesisRequest
        /// A session that gives its place to this one; it is about to end.
        var former: Session?
    }

    /// How long sessions outlive their connections.
    struct Patience: Sendable {
        /// Until the VM runs.
        let transfer: Duration
        /// Afterwards.
        let lease: Duration
    }

    private let jobs: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation
    private let backend: any SynthesisBackend
    private let patience: @Sendable () -> Patience
    private let keepsVMs: Bool
    private let logger: Logger

    private static let interval = Duration.milliseconds(100)

    init(
        backend: any SynthesisBackend, patience: @escaping @Sendable () -> Patience, keepsVMs: Bool, logger: Logger
    ) {
        self.keepsVMs = keepsVMs
        self.backend = backend
        self.patience = patience
        self.logger = logger
        (jobs, continuation) = AsyncStream.makeStream(of: Job.self)
    }

    /// Takes over a session.
    func start(_ job: Job) { continuation.yield(job) }

    /// Runs until the task is cancelled; every VM has ended then.
    func run(adopting adopted: [AdoptedSession], table: SessionTable) async {
        await withDiscardingTaskGroup { group in
            for entry in adopted {
                let session = Session(adopting: entry.status)
                await table.adopt(session)
                session.settle(.failed(CloudletError(.protocolViolation, "the session's VM runs already")))
                group.addTask { await keep(entry.machine, for: session, entry.place) }
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
            let place = try await unlessEnded(session) { () async throws(CloudletError) in
                await job.former?.waitForEnd()
                return try await backend.admit(job.request, progress: session.note)
            } undo: {
                $0.giveBack()
            }
            defer { place.giveBack() }
            session.admit()
            let machine = try await unlessEnded(session) { () async throws(CloudletError) in
                try await backend.synthesize(job.request, from: session.transfer.pieces, progress: session.note)
            } undo: {
                await $0.end()
            }
            place.settle()
            session.update {
                $0.stage = .running
                $0.vm = machine.name
                $0.forwards = machine.forwards.map { "\($0.address) \($0.forward)" }
            }
            await backend.note(session.status)
            session.settle(.running(machine.forwards))
            logger.info(
                "VM runs",
                metadata: ["session": "\(session.id)", "client": "\(job.request.client)", "vm": "\(machine.name)"])
            await keep(machine, for: session, place)
        } catch {
            session.update { $0.failure = error.code }
            session.settle(.failed(error))
            session.markEnded(error.description)
            logger.notice(
                "session failed",
                metadata: [
                    "session": "\(session.id)", "client": "\(job.request.client)",
                    "reason": "\(error.description.displayable(limit: 400))",
                ])
        }
    }

    /// Runs `body` unless the session ends meanwhile; then `body` is cancelled, and what it gives all the same undone.
    private func unlessEnded<Value: Sendable>(
        _ session: Session, _ body: @escaping @Sendable () async throws(CloudletError) -> Value,
        undo: (Value) async -> Void
    ) async throws(CloudletError) -> Value {
        let result = await withTaskGroup(of: Result<Value, CloudletError>?.self) { group in
            group.addTask {
                do throws(CloudletError) { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask {
                let reason = await waitForEnd(of: session) { patience().transfer }
                if !Task.isCancelled { session.finish(reason) }
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            // In any case `body` must come to its end: what it has brought up must be ended again.
            let last = await group.next() ?? nil
            return first ?? last
        }
        guard let result else { throw CloudletError(.interrupted, "interrupted") }
        guard let reason = Task.isCancelled ? "the node stops" : session.finishReason else { return try result.get() }
        if case .success(let value) = result { await undo(value) }
        throw CloudletError(.interrupted, reason)
    }

    /// Keeps a running VM until its session ends; when the node stops and VMs are to be kept, leaves it.
    func keep(_ machine: any SynthesizedVM, for session: Session, _ place: SynthesisPlace) async {
        let (reason, failure) = await supervise(session, machine)
        if keepsVMs, Task.isCancelled {
            logger.notice("VM is left running", metadata: ["session": "\(session.id)", "vm": "\(machine.name)"])
            return
        }
        if let failure {
            session.update { $0.failure = failure.code }
            logger.error(
                "a VM failed", metadata: ["session": "\(session.id)", "vm": "\(machine.name)", "reason": "\(failure)"])
        }
        logger.debug("stage begins", metadata: ["session": "\(session.id)", "stage": "\(TimedStage.endVM.rawValue)"])
        await machine.end()
        place.giveBack()
        session.markEnded(reason)
        logger.info("session ended", metadata: ["session": "\(session.id)", "reason": "\(reason)"])
    }

    /// Waits until a session is over.
    /// - Returns: why, and how the VM failed if it did.
    private func supervise(
        _ session: Session, _ machine: any SynthesizedVM
    ) async -> (reason: String, failure: CloudletError?) {
        let (reason, failure) = await withTaskGroup(of: (String, CloudletError?).self) { group in
            group.addTask {
                guard let failure = await machine.waitForEnd() else { return ("the VM ended by itself", nil) }
                return ("the VM is gone: \(failure)", failure)
            }
            group.addTask { (await waitForEnd(of: session) { patience().lease }, nil) }
            defer { group.cancelAll() }
            return await group.next() ?? ("", nil)
        }
        return Task.isCancelled ? ("the node stops", nil) : (reason, failure)
    }

    /// Waits until somebody wants the session to end, or it was without a connection for too long.
    private func waitForEnd(of session: Session, patience: @Sendable () -> Duration) async -> String {
        while !Task.isCancelled {
            if let reason = session.finishReason { return reason }
            if let lost = session.lostFor, lost > patience() {
                return "the client's connection was lost, and its time to come back is over"
            }
            _ = try? await withDeadline(Self.interval) { () async throws(CloudletError) in await session.waitForWish() }
        }
        return "the node stops"
    }
}
