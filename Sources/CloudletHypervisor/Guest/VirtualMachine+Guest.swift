import CloudletCore
import CloudletSystem

extension VirtualMachine {
    /// Calls the guest's agent, which a guest need not have.
    private nonisolated var agent: GuestAgent { GuestAgent(domain) }

    /// How long a guest's agent may take to answer for the first time after a resume. An agent that ran when the state
    /// was saved answers at once, except on a busy host with emulation.
    private static let agentLimit = Duration.seconds(1)

    /// Gives a guest that was resumed from a saved state the host's time and new random numbers. Call it while the VM
    /// runs. It never fails, because the VM can be used either way.
    /// - Parameter description: describes the VM when its state was saved.
    /// - Returns: what was done.
    package nonisolated func refreshGuest(_ description: VMDescription) async -> GuestRefresh {
        var result = await refresh(description.guest)
        result.clockSpeed = clockSpeedWarning(description.timekeeping)
        return result
    }

    private nonisolated func refresh(_ support: GuestSupport) async -> GuestRefresh {
        guard machine.hasGuestDevices else {
            return GuestRefresh(clock: .missing(Self.oldMachine), random: .missing(Self.oldMachine))
        }
        var result = GuestRefresh(
            clock: .missing("the guest had no agent for it when its state was saved"),
            random: support.random == .kernel
                ? .done : .missing("when its state was saved, it was not known whether the guest can do it"))
        guard support.clock == .agent || support.random == .agent else { return result }
        guard await agent.answers(within: Self.agentLimit) else {
            let reason = "its agent does not answer"
            if support.random == .agent { result.random = .missing(reason) }
            if support.clock == .agent { result.clock = .missing(reason) }
            return result
        }
        if support.random == .agent { result.random = await outcome(agent.reseed) }
        if support.clock == .agent { result.clock = await outcome(agent.setClock) }
        return result
    }

    /// Finds out what the running guest supports when it is resumed from a state saved now, by trying it. As a side
    /// effect, the guest's clock is set if that is supported.
    package nonisolated func guestSupport() async -> GuestSupport {
        try? await wakeUp()
        guard machine.hasGuestDevices, await agent.answers(within: Self.agentLimit) else { return .unknown }
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

    /// Finds out with what the running guest measures time.
    /// - Parameter support: what the guest supports, just found out.
    /// - Returns: the clock source, and this host's frequency; `nil` if this host has no TSC.
    package nonisolated func timekeeping(_ support: GuestSupport) async -> GuestTimekeeping? {
        guard let frequency = TimeStampCounter.kilohertz else { return nil }
        // A guest that supports nothing has no agent that could be asked.
        let source = support == .unknown ? nil : try? await agent.clockSource()
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
