// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem

/// What is done in a guest through its agent, which a guest need not have.
extension VirtualMachine {
    /// Adds the agent's channel to a VM that has not run yet, nor taken its state, and connects it with this process.
    func openAgentChannel() throws(CloudletError) {
        guard machine.hasGuestDevices else { return }
        let stream = try passStream(Self.agentStreamName)
        try command("chardev-add", CharacterDeviceAddition(DomainXML.agent, of: Self.agentStreamName))
        try command("device_add", AgentPort(bus: DomainXML.agentBus, characterDevice: DomainXML.agent))
        agentChannel = AgentChannel(stream)
    }

    private static let agentStreamName = "cloudlet-agent"

    /// Whether a program in the guest has opened the agent's channel.
    private var isAgentPresent: Bool {
        guard agentChannel != nil else { return false }
        let devices = try? query("query-chardev", as: [CharacterDevice].self)
        return devices?.contains { $0.label == DomainXML.agent && $0.isOpen } ?? false
    }

    /// How long the agent may take in all to refresh a resumed guest. It takes that long only if it is slow or hostile,
    /// or the host is busy.
    private static let refreshLimit = Duration.seconds(20)
    /// How long a running agent may take to answer for the first time.
    package static let agentLimit = Duration.seconds(1)
    /// How long the agent may take in all to show what it can do.
    private static let trialLimit = Duration.seconds(15)

    /// Begins to give a guest that was resumed from a saved state the host's time and new random numbers. Call it when
    /// the VM runs. It never fails, because the VM can be used either way, and ends at the latest after
    /// ``refreshLimit``, or with the VM.
    /// - Parameter description: describes the VM when its state was saved.
    /// - Returns: the work.
    package nonisolated func beginRefresh(_ description: VMDescription) -> GuestRefreshTask {
        GuestRefreshTask {
            var result = await self.refresh(description.guest)
            result.clockSpeed = self.clockSpeedWarning(description.timekeeping)
            return result
        }
    }

    private nonisolated func refresh(_ support: GuestSupport) async -> GuestRefresh {
        guard let channel = await agentChannel else {
            return GuestRefresh(clock: .missing(Self.oldMachine), random: .missing(Self.oldMachine))
        }
        var result = GuestRefresh(
            clock: .missing("the guest had no agent for it when its state was saved"),
            random: support.random == .kernel
                ? .done : .missing("when its state was saved, it was not known whether the guest can do it"))
        let agent = GuestAgent(channel, for: Self.refreshLimit)
        if support.random == .agent { result.random = await outcome(agent.reseed) }
        if support.clock == .agent { result.clock = await outcome(agent.setClock) }
        return result
    }

    /// Finds out what the running guest supports when it is resumed from a state saved now, by trying it. As a side
    /// effect, the guest's clock is set if that is supported.
    /// - Parameter limit: how long to wait for the agent's first answer.
    /// - Returns: what it supports; ``GuestSupport/unknown`` when no agent answers.
    package nonisolated func guestSupport(within limit: Duration) async -> GuestSupport {
        try? await wakeUp()
        guard let channel = await agentChannel else { return .unknown }
        let agent = GuestAgent(channel, for: limit + Self.trialLimit)
        do throws(CloudletError) { try await agent.requireAnswer(within: limit) } catch { return .unknown }
        var support = GuestSupport.unknown
        // The clock comes first: the agent answers the later calls only after it has set the clock, and it must not be
        // busy in the saved state.
        if await outcome(agent.setClock) == .done { support.clock = .agent }
        if (try? await agent.hasGenerationDriver()) == true {
            support.random = .kernel
        } else if await outcome(agent.reseed) == .done {
            support.random = .agent
        }
        return support
    }

    /// Whether the guest has an agent that answers. Needs no time if no program in the guest has opened the channel.
    package nonisolated func agentAnswers() async -> Bool {
        guard await isAgentPresent, let channel = await agentChannel else { return false }
        let agent = GuestAgent(channel, for: Self.agentLimit)
        return (try? await agent.requireAnswer()) != nil
    }

    /// Runs a shell script in the guest through its agent, and waits for its end.
    /// - Parameters:
    ///   - script: the script.
    ///   - limit: how long that may take.
    /// - Throws: `CloudletError` when the agent may not run programs or does not answer, or the script fails.
    package nonisolated func runInGuest(script: String, within limit: Duration) async throws(CloudletError) {
        try await agent(for: limit).run(script: script)
    }

    /// Discards the unused blocks of the guest's file systems through its agent.
    /// - Parameter limit: how long that may take.
    /// - Throws: `CloudletError` when the agent can't do it, is not allowed to or does not answer.
    package nonisolated func trimGuest(within limit: Duration) async throws(CloudletError) {
        try await agent(for: limit).trim()
    }

    private nonisolated func agent(for limit: Duration) async throws(CloudletError) -> GuestAgent {
        guard let channel = await agentChannel else {
            throw CloudletError(.unavailable, "the VM has no channel for a guest agent: \(Self.oldMachine)")
        }
        return GuestAgent(channel, for: limit)
    }

    /// Finds out with what the running guest measures time.
    /// - Parameter support: what the guest supports, just found out.
    /// - Returns: the clock source, and this host's frequency; `nil` if this host has no TSC.
    package nonisolated func timekeeping(_ support: GuestSupport) async -> GuestTimekeeping? {
        guard let frequency = TimeStampCounter.kilohertz else { return nil }
        // A guest that supports nothing has no agent that could be asked.
        let source = support == .unknown ? nil : try? await agent(for: Self.trialLimit).clockSource()
        return GuestTimekeeping(clockSource: source, tscKilohertz: frequency)
    }

    /// Why the clock of the resumed guest runs at a wrong speed.
    private nonisolated func clockSpeedWarning(_ saved: GuestTimekeeping?) -> String? {
        guard let saved, let frequency = TimeStampCounter.kilohertz else { return nil }
        // Under KVM, the processor scales its TSC. If it can't, QEMU logs that when it loads the state. Under TCG, the
        // guest sees the host's TSC.
        let isScaled = machine.accelerator == .kvm && !logMentions("TSC frequency mismatch")
        return saved.warning(onHostWith: frequency, isScaled: isScaled)
    }

    private nonisolated func logMentions(_ words: String) -> Bool {
        log.flatMap { EmulatorLog.lastWords(in: $0, withWarnings: true) }?.contains(words) ?? false
    }

    private nonisolated func outcome(
        _ body: () async throws(CloudletError) -> Void
    ) async -> GuestRefresh.Outcome {
        do throws(CloudletError) {
            try await body()
            return .done
        } catch {
            return .missing(error.message.displayable(limit: 200))
        }
    }

    private static let oldMachine = "its base VM was made by an older version, without the devices for it"
}
