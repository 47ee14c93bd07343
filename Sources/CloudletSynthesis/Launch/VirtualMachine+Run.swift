// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSystem

/// Starting a guest.
extension VirtualMachine {
    /// Loads the device state of a waiting VM, and opens its forwards at the same time.
    /// - Parameters:
    ///   - state: contains the device state; `nil` for a VM that will boot.
    ///   - forwards: the forwards to open.
    ///   - forwarding: the address on which the forwards listen, and what to do when a port is taken.
    ///   - times: records the stage.
    /// - Returns: the active forwards, in the order of `forwards`.
    /// - Throws: `CloudletError` when the state can't be loaded, or a forward can't be opened.
    func load(
        _ state: SnapshotFile?, opening forwards: [PortForward], _ forwarding: VMOptions.Forwarding,
        _ times: StageTimes
    ) async throws(CloudletError) -> [ActiveForward] {
        guard let state else { return try await openForwards(forwards, forwarding) }
        return try await concurrently(
            { () async throws(CloudletError) in
                try await times.measure(.loadState) { () async throws(CloudletError) in
                    try await self.loadState(of: state)
                }
            },
            { () async throws(CloudletError) in try await self.openForwards(forwards, forwarding) }
        ).1
    }

    /// Lets the VM run and waits until it runs and its application answers. The application is asked from the
    /// beginning, so that the request is already waiting when the guest runs again.
    /// - Parameters:
    ///   - stage: the stage under which the VM's start is measured.
    ///   - port: the application's TCP port in the guest, if known.
    ///   - forwards: the active forwards.
    ///   - limit: how long the application may take.
    ///   - advice: what to do if the application does not answer.
    ///   - times: records the stages.
    ///   - description: describes the guest when its state was saved, if it is resumed from a saved state.
    /// - Returns: the refreshing of the guest. It is given ``refreshLimit`` before any client learns that the VM runs, so
    ///   that clients get random numbers that no other VM of the same overlay produces. A guest whose agent is slower is
    ///   not waited for.
    /// - Throws: `CloudletError.unavailable` when the VM does not run or nothing answers in time.
    func run(
        stage: TimedStage, readyOn port: UInt16?, _ forwards: [ActiveForward], within limit: Duration,
        advice: String, _ times: StageTimes, refreshing description: VMDescription? = nil
    ) async throws(CloudletError) -> GuestRefreshTask {
        try await concurrently(
            { () async throws(CloudletError) in
                try await times.measure(stage) { () async throws(CloudletError) in
                    try await self.resume()
                    try await self.requireExecution()
                }
                guard let description else { return GuestRefreshTask(finished: .booted) }
                let refresh = self.beginRefresh(description)
                try await times.measure(.refreshGuest) { () async throws(CloudletError) in
                    _ = await refresh.result(within: Self.refreshLimit)
                }
                return refresh
            },
            { () async throws(CloudletError) in
                guard let port else { return }
                try await times.measure(.applicationReady) { () async throws(CloudletError) in
                    try await self.requireReadiness(on: port, forwards, within: limit, advice: advice)
                }
            }
        ).0
    }

    /// How long the client is kept waiting for the refreshing of the guest.
    private static let refreshLimit = Duration.milliseconds(300)

    /// Waits until the application in the VM answers on its port.
    /// - Parameters:
    ///   - port: the guest's TCP port.
    ///   - forwards: the active forwards. If none leads to the port, a forward on the loopback address is opened for
    ///     the duration of this call.
    ///   - limit: how long to wait.
    ///   - advice: what to do if nothing answers.
    /// - Throws: `CloudletError.unavailable` when nothing answers in time.
    private func requireReadiness(
        on port: UInt16, _ forwards: [ActiveForward], within limit: Duration, advice: String
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
                advice: advice)
        }
    }
}
