import CloudletCore
import Logging

/// Keeps the VMs of sessions alive as long as their sessions last, whichever connection comes and goes, and ends them
/// then: when the client is done, when the lease after a lost connection is over, when the VM ended by itself, when
/// the node stops.
struct SessionSupervisor: Sendable {
    /// A VM that begins to run.
    private struct Charge: Sendable {
        let session: Session
        let machine: any SynthesizedVM
    }

    private let charges: AsyncStream<Charge>
    private let continuation: AsyncStream<Charge>.Continuation
    private let limits: ChangeableLimits
    private let logger: Logger

    init(limits: ChangeableLimits, logger: Logger) {
        self.limits = limits
        self.logger = logger
        (charges, continuation) = AsyncStream.makeStream(of: Charge.self)
    }

    /// Takes over a VM.
    func take(_ machine: any SynthesizedVM, of session: Session) {
        continuation.yield(Charge(session: session, machine: machine))
    }

    /// Runs until the task is cancelled; every VM has ended then.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await charge in charges {
                group.addTask { await supervise(charge) }
            }
            group.cancelAll()
        }
    }

    private func supervise(_ charge: Charge) async {
        let session = charge.session
        let reason = await withTaskGroup(of: String?.self) { group in
            group.addTask {
                await charge.machine.waitForEnd()
                return "the VM ended by itself"
            }
            group.addTask { await waitForClient(session) }
            defer { group.cancelAll() }
            while let reason = await group.next() {
                if let reason { return reason }
            }
            return "the session ended"
        }
        let why = Task.isCancelled ? "the node stops" : reason
        await charge.machine.end()
        session.markEnded(why)
        logger.info("session ended", metadata: ["session": "\(session.id)", "reason": "\(why)"])
    }

    /// Waits for the client to be done, or for the lease after its connection was lost to run out.
    private func waitForClient(_ session: Session) async -> String? {
        for await wish in session.wishes {
            switch wish {
            case .finish: return "the client is done"
            case .connectionLost:
                let returned = await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        for await wish in session.wishes where wish == .finish { return true }
                        return false
                    }
                    group.addTask {
                        try? await Task.sleep(for: limits.value.lease)
                        return false
                    }
                    defer { group.cancelAll() }
                    return await group.next() ?? false
                }
                return returned ? "the client is done" : "the client's connection was lost, and its lease is over"
            }
        }
        return nil
    }
}
