import CloudletCore
import CloudletHypervisor
import CloudletSystem

/// Bringing a guest to life.
extension VirtualMachine {
    /// Loads the device state of a waiting VM, and opens its forwards meanwhile.
    /// - Parameters:
    ///   - state: holds the device state; `nil` for a VM that will boot.
    ///   - forwards: the forwards to open.
    ///   - forwarding: where they listen, and what is done when a port is taken.
    ///   - times: notes the stage.
    /// - Returns: the forwards in force, in the order wanted.
    /// - Throws: `CloudletError` when the state can't be loaded, or a forward can't be opened.
    func load(
        _ state: SnapshotFile?, opening forwards: [PortForward], _ forwarding: VMOptions.Forwarding,
        _ times: StageTimes
    ) async throws(CloudletError) -> [ActiveForward] {
        guard let state else { return try addForwards(forwards, forwarding) }
        return try await concurrently(
            { () async throws(CloudletError) in
                try await times.measure(.loadState) { () async throws(CloudletError) in
                    try await self.loadState(of: state)
                }
            },
            { () async throws(CloudletError) in try await self.addForwards(forwards, forwarding) }
        ).1
    }

    /// Opens several forwards; when one can't be opened, those before it are closed with the VM.
    /// - Throws: `CloudletError.busy` when a port is taken.
    private func addForwards(
        _ forwards: [PortForward], _ forwarding: VMOptions.Forwarding
    ) throws(CloudletError) -> [ActiveForward] {
        do throws(CloudletError) {
            return try forwards.map { (forward) throws(CloudletError) in
                try addForward(forward, on: forwarding.address, movingTaken: forwarding.movesTaken)
            }
        } catch {
            guard error.code == .busy, let other = forwarding.takenPortAdvice, let advice = error.advice else {
                throw error
            }
            throw CloudletError(error.code, error.message, advice: "\(advice), or \(other)", cause: error.cause)
        }
    }

    /// Lets the VM run and waits until it does and its application answers. The application is asked from the start, so
    /// that the question is there when the guest goes on.
    /// - Parameters:
    ///   - stage: the stage as which the VM's start is measured.
    ///   - port: the application's TCP port in the guest, if known.
    ///   - forwards: the forwards in force.
    ///   - limit: how long the application may take.
    ///   - times: notes the stages.
    ///   - support: what the guest can do for itself, if it goes on from a saved state.
    /// - Returns: what was done for the guest. It is done before anybody learns that the VM runs, so that no client draws
    ///   numbers from it that its twins draw as well.
    /// - Throws: `CloudletError.unavailable` when the VM does not run or nothing answers in time.
    func run(
        stage: TimedStage, readyOn port: UInt16?, _ forwards: [ActiveForward], within limit: Duration,
        _ times: StageTimes,
        refreshing support: GuestSupport? = nil
    ) async throws(CloudletError) -> GuestRefresh {
        try await concurrently(
            { () async throws(CloudletError) in
                try await times.measure(stage) { () async throws(CloudletError) in
                    try await self.resume()
                    try await self.requireExecution()
                }
                guard let support else { return .booted }
                return try await times.measure(.refreshGuest) { () async throws(CloudletError) in
                    await self.refreshGuest(support)
                }
            },
            { () async throws(CloudletError) in
                guard let port else { return }
                try await times.measure(.applicationReady) { () async throws(CloudletError) in
                    try await self.requireReadiness(on: port, forwards, within: limit)
                }
            }
        ).0
    }

    /// Waits until the application in the VM answers on its port.
    /// - Parameters:
    ///   - port: the guest's TCP port.
    ///   - forwards: the forwards in force; when none leads to the port, one is opened on the loopback address for as
    ///     long as it takes.
    ///   - limit: how long to wait.
    /// - Throws: `CloudletError.unavailable` when nothing answers in time.
    private func requireReadiness(
        on port: UInt16, _ forwards: [ActiveForward], within limit: Duration
    ) async throws(CloudletError) {
        let existing = forwards.first { $0.forward.guestPort == port && $0.forward.transport == .tcp }
        let own = PortForward(.tcp, hostPort: 0, guestPort: port)
        let forward = if let existing { existing } else { try addForward(own, on: "127.0.0.1") }
        // A guest reports no event when its application begins to listen.
        let ready = try await poll(every: .milliseconds(5), for: limit) { () async throws(CloudletError) in
            try await answers(on: forward)
        }
        if existing == nil { try removeForward(forward) }
        if !ready {
            throw CloudletError(
                .unavailable,
                "the VM runs, but its application does not answer on guest port \(port) within \(limit.shown)",
                advice: "check that the application ran when the overlay was made")
        }
    }
}
