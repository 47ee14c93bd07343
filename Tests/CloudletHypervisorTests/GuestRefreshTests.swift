// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization
import Testing

@testable import CloudletHypervisor

extension VirtualMachine {
    /// Calls another agent from now on.
    fileprivate func use(_ agent: FakeAgent) { agentChannel = agent.channel }
}

/// What is done in a guest through its agent. The emulator is real, and the agent is one of this process.
@Suite(.serialized, .timeLimit(.minutes(1))) struct GuestRefreshTests {
    /// An agent in whose guest there are some programs. A program is seen to run before it ends.
    /// - Parameters:
    ///   - programs: the statuses with which they end; the agent may run no others.
    ///   - output: what they write, in Base64.
    ///   - setsTime: whether the agent may set the clock itself.
    /// - Returns: the agent.
    /// - Throws: `CloudletError` when there can be no socket.
    private static func agent(
        _ programs: [String: Int], output: String = "", setsTime: Bool = true
    ) throws -> FakeAgent {
        let runs = Mutex<[(status: Int, asked: Int)]>([])
        return try FakeAgent { request in
            let denied = "{\"error\": {\"desc\": \"not allowed\"}}"
            switch request.name {
            case "guest-ping", "guest-fstrim": return "{\"return\": {}}"
            case "guest-set-time": return setsTime ? "{\"return\": {}}" : denied
            case "guest-exec":
                guard let status = request.arguments["path"].flatMap({ programs[$0] }) else { return denied }
                return runs.withLock {
                    $0.append((status, 0))
                    return "{\"return\": {\"pid\": \($0.count)}}"
                }
            case "guest-exec-status":
                return runs.withLock { runs in
                    guard let pid = request.arguments["pid"].flatMap({ Int($0) }), runs.indices.contains(pid - 1)
                    else { return denied }
                    runs[pid - 1].asked += 1
                    guard runs[pid - 1].asked > 2 else { return "{\"return\": {\"exited\": false}}" }
                    let status = runs[pid - 1].status
                    return "{\"return\": {\"exited\": true, \"exitcode\": \(status), \"out-data\": \"\(output)\"}}"
                }
            default: return denied
            }
        }
    }

    /// The programs that an agent was asked to run.
    private func programs(_ agent: FakeAgent) -> [String] { agent.requests.compactMap { $0.arguments["path"] } }

    @Test("a resumed guest gets what it supports, and what it does not get is told with the reason")
    func refresh() async throws {
        let small = try await SmallVM(waitsForState: false)
        func refresh(
            _ clock: GuestSupport.Clock, _ random: GuestSupport.Random, by agent: FakeAgent
        ) async throws -> [String] {
            await small.vm.use(agent)
            let saved = VMDescription(machine: SmallVM.machine, guest: GuestSupport(clock: clock, random: random))
            return try #require(await small.vm.beginRefresh(saved).result(within: nil)).warnings
        }
        var agent = try Self.agent(["perl": 0])
        #expect(try await refresh(.agent, .agent, by: agent).isEmpty)
        #expect(agent.requests.contains { $0.name == "guest-set-time" } && programs(agent) == ["perl"])

        agent = try Self.agent(["perl": 0])
        #expect(try await refresh(.agent, .kernel, by: agent).isEmpty)
        #expect(agent.requests.contains { $0.name == "guest-set-time" } && programs(agent).isEmpty)

        // Such guests have no agent that may be called.
        agent = try Self.agent([:])
        var warnings = try await refresh(.none, .kernel, by: agent)
        #expect(warnings.count == 1 && warnings.first?.contains("no agent") == true, "\(warnings)")
        warnings = try await refresh(.none, .none, by: agent)
        #expect(warnings.count == 2 && warnings.last?.contains("not known") == true, "\(warnings)")
        #expect(agent.requests.isEmpty)

        agent = try Self.agent(["perl": 3], setsTime: false)
        warnings = try await refresh(.agent, .agent, by: agent)
        #expect(warnings.count == 2 && warnings.allSatisfy { $0.contains("not allowed") }, "\(warnings)")
        try await small.vm.destroy()
    }

    @Test("the warnings of a resumed guest contain the wrong speed of its clock on this host")
    func clockSpeed() async throws {
        let small = try await SmallVM(waitsForState: false)
        let agent = try Self.agent([:])
        await small.vm.use(agent)
        let here = try #require(TimeStampCounter.kilohertz)
        for (saved, words) in [(here * 2, "50.0 % too slow"), (here, "")] {
            var description = VMDescription(
                machine: SmallVM.machine, guest: GuestSupport(clock: .agent, random: .kernel))
            description.timekeeping = GuestTimekeeping(clockSource: "tsc", tscKilohertz: saved)
            let warnings = try #require(await small.vm.beginRefresh(description).result(within: nil)).warnings
            #expect(warnings.count == (words.isEmpty ? 0 : 1), "\(warnings)")
            #expect(warnings.allSatisfy { $0.contains(words) }, "\(warnings)")
        }
        withExtendedLifetime(agent) {}
        try await small.vm.destroy()
    }

    @Test("what a guest supports is found out by trying it, the clock first")
    func support() async throws {
        let small = try await SmallVM(waitsForState: false)
        for (programs, setsTime, clock, random) in [
            (["sh": 0], true, .agent, .kernel), (["sh": 1, "perl": 0], true, .agent, .agent),
            (["sh": 1, "perl": 3, "python3": 0], true, .agent, .agent),
            (["sh": 1, "python3": 0, "date": 0], false, .agent, .agent),
            (["sh": 1, "perl": 4, "python3": 1, "date": 1], false, .none, .none), ([:], true, .agent, .none),
        ] as [([String: Int], Bool, GuestSupport.Clock, GuestSupport.Random)] {
            let agent = try Self.agent(programs, setsTime: setsTime)
            await small.vm.use(agent)
            let support = await small.vm.guestSupport(within: .seconds(30))
            #expect(support == GuestSupport(clock: clock, random: random), "\(programs): \(support)")
            #expect(agent.requests.first { $0.name != "guest-ping" }?.name == "guest-set-time")
        }
        // No program in this guest has opened the channel, so nobody is asked.
        let unasked = try Self.agent([:])
        await small.vm.use(unasked)
        #expect(await !small.vm.agentAnswers() && unasked.requests.isEmpty)
        let silent = try FakeAgent { _, _ in }
        await small.vm.use(silent)
        let time = await ContinuousClock().measure {
            #expect(await small.vm.guestSupport(within: .milliseconds(50)) == .unknown)
        }
        #expect(time < .seconds(5), "\(time)")
        withExtendedLifetime(silent) {}
        try await small.vm.destroy()
    }

    @Test("a guest with an agent is asked for its clock source; one that does not know it has none")
    func timekeeping() async throws {
        let small = try await SmallVM(waitsForState: false)
        let known = GuestSupport(clock: .agent, random: .none)
        for (status, support, source) in [
            (0, known, "kvm-clock"), (1, known, nil), (0, .unknown, nil),
        ] as [(Int, GuestSupport, String?)] {
            let agent = try Self.agent(["cat": status], output: "a3ZtLWNsb2NrCg==")
            await small.vm.use(agent)
            let found = try #require(await small.vm.timekeeping(support))
            #expect(found == GuestTimekeeping(clockSource: source, tscKilohertz: found.tscKilohertz))
            #expect(agent.requests.isEmpty == (support == .unknown))
        }
        try await small.vm.destroy()
    }

    @Test("a script runs in the guest to its end, unused blocks are discarded, and failures are told")
    func work() async throws {
        let small = try await SmallVM(waitsForState: false)
        let agent = try Self.agent(["sh": 0])
        await small.vm.use(agent)
        try await small.vm.runInGuest(script: "exit 0", within: .seconds(30))
        #expect(agent.requests.first?.arguments["arg"]?.contains("exit 0") == true, "\(agent.requests)")
        #expect(agent.requests.count { $0.name == "guest-exec-status" } == 3)
        try await small.vm.trimGuest(within: .seconds(30))
        #expect(agent.requests.last?.name == "guest-fstrim")
        let failing = try Self.agent(["sh": 7])
        await small.vm.use(failing)
        let error = await #expect(throws: CloudletError.self) {
            try await small.vm.runInGuest(script: "exit 7", within: .seconds(30))
        }
        #expect(error?.message.contains("status 7") == true, "\(error as Any)")
        withExtendedLifetime(failing) {}
        try await small.vm.destroy()
    }

    @Test("those who wait for a slow refresh wait as long as they want, or to its end")
    func waiting() async {
        let mayEnd = AsyncEvent()
        let task = GuestRefreshTask {
            await mayEnd.wait()
            return .booted
        }
        #expect(await task.result(within: .milliseconds(10)) == nil && task.result == nil)
        async let result = task.result(within: nil)
        mayEnd.set()
        #expect(await result == .booted && task.result == .booted)
    }
}
