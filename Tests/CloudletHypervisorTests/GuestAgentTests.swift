// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Synchronization
import Testing

@testable import CloudletHypervisor

/// Guests' agents, well behaved and hostile.
@Suite(.serialized, .timeLimit(.minutes(1))) struct GuestAgentTests {
    @Test("an agent that does as it should sets the clock to the host's and reseeds the generator")
    func wellBehaved() async throws {
        let agent = try FakeAgent { request in
            switch request.name {
            case "guest-exec": "{\"return\": {\"pid\": 7}}"
            case "guest-exec-status": "{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"dHNjCg==\"}}"
            default: "{\"return\": {}}"
            }
        }
        let calls = GuestAgent(agent.channel, for: .seconds(30))
        try await calls.setClock()
        let time = try #require(agent.requests.first { $0.name == "guest-set-time" }?.arguments["time"])
        let difference = try #require(Double(time)) / 1e9 - Date().timeIntervalSince1970
        #expect(abs(difference) < 5, "\(difference)")
        try await calls.reseed()
        let input = try #require(agent.requests.last { $0.name == "guest-exec" }?.arguments["input-data"])
        #expect(Data(base64Encoded: input)?.count == 64)
        #expect(try await calls.clockSource() == "tsc")
    }

    @Test("an agent that is busy with the machine's clock has set the guest's; one that may not is asked to run date")
    func clocks() async throws {
        let busy = try FakeAgent { request, stream in
            if request.name != "guest-set-time" {
                stream.send(request.synchronization ?? Array("{\"return\": {}}\n".utf8))
            }
        }
        let time = try await ContinuousClock().measure {
            try await GuestAgent(busy.channel, for: .seconds(30)).setClock()
        }
        #expect(time < .seconds(5), "\(time)")
        let refusing = try FakeAgent { request in
            switch request.name {
            case "guest-ping": "{\"return\": {}}"
            case "guest-exec": "{\"return\": {\"pid\": 7}}"
            case "guest-exec-status": "{\"return\": {\"exited\": true, \"exitcode\": 0}}"
            default: "{\"error\": {\"desc\": \"not here\"}}"
            }
        }
        try await GuestAgent(refusing.channel, for: .seconds(30)).setClock()
        let date = try #require(refusing.requests.first { $0.name == "guest-exec" }?.arguments)
        let words = try #require(date["arg"]?.firstMatch(of: /-u.*-s.*@(\d+)\.(\d+)/.dotMatchesNewlines()))
        #expect(date["path"] == "date" && words.2.count == 9, "\(date)")
        let difference = try #require(Double(words.1)) - Date().timeIntervalSince1970
        #expect(abs(difference) < 5, "\(difference)")
        let unable = try FakeAgent { request in
            request.name == "guest-ping" ? "{\"return\": {}}" : "{\"error\": {\"desc\": \"not \\u001bhere\"}}"
        }
        let error = await #expect(throws: CloudletError.self) {
            try await GuestAgent(unable.channel, for: .seconds(30)).setClock()
        }
        #expect(error?.message == "the guest agent refused guest-set-time: not \u{FFFD}here", "\(error as Any)")
    }

    /// Ways of a guest to answer a request.
    enum Hostility: CaseIterable {
        case silent, garbage, flood, floodOfLines, drops, half, wrongJSON, wrongType, deep, huge, wrongNumber

        /// Answers a request, including synchronizations.
        func answer(_ request: FakeAgent.Request, _ stream: File) {
            let synchronization = request.synchronization
            func afterwards(_ text: String) { stream.send(synchronization ?? Array(text.utf8)) }
            switch self {
            case .silent: break
            case .garbage: stream.send("\u{1}garbage\n\"}]\n")
            case .flood: while stream.send([UInt8](repeating: 0x41, count: 64 << 10)) {}
            case .floodOfLines: while stream.send([0xFF] + Array("{\"return\": 1}\n".utf8)) {}
            case .drops:
                while stream.send("x") { usleep(20_000) }
            case .half: afterwards("{\"return\"")
            case .wrongJSON: afterwards("{\"return\": {}\n")
            case .wrongType: afterwards("{\"return\": [[]]}\n")
            case .deep:
                let depth = 30_000
                afterwards(String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "\n")
            case .huge:
                if synchronization != nil { return afterwards("") }
                while stream.send([UInt8](repeating: 0x20, count: 64 << 10)) {}
            case .wrongNumber: stream.send([0xFF] + Array("{\"return\": 0}\n".utf8))
            }
        }

        /// Words of the error message.
        var words: String {
            switch self {
            case .silent: "did not answer guest-exec in time"
            case .garbage, .flood, .floodOfLines, .drops, .wrongNumber: "that are no answer to guest-exec"
            case .half: "sent in time only a part of the answer to guest-exec"
            case .wrongJSON, .deep: "the answer of the guest agent to guest-exec is not understood"
            case .wrongType: "the answer of the guest agent to guest-exec is not understood"
            case .huge: "sent more than 64 KiB as the answer to guest-exec"
            }
        }
    }

    @Test(
        "whatever a hostile agent does, a call ends in time, takes little memory, and says what it was",
        arguments: Hostility.allCases)
    func hostile(how: Hostility) async throws {
        let agent = try FakeAgent { how.answer($0, $1) }
        let before = try peakMemory(reset: true)
        var error: CloudletError?
        let time = await ContinuousClock().measure {
            error = await #expect(throws: CloudletError.self) {
                try await GuestAgent(agent.channel, for: .milliseconds(200)).run(script: "true")
            }
        }
        #expect(time < .seconds(2), "\(time)")
        #expect(error?.message.contains(how.words) == true, "\(how): \(error as Any)")
        #expect(try peakMemory(reset: false) - before < 16)
        agent.end()
    }

    @Test("an agent that comes to reason is understood again, and its late answers are not taken for others")
    func recovery() async throws {
        let isReady = Atomic(false)
        let agent = try FakeAgent { request, stream in
            let isReady = isReady.load(ordering: .sequentiallyConsistent)
            if isReady, request.synchronization != nil { stream.send("{}}\n{\"return\": {\"pid\": 1}}\n\u{1}\n") }
            let unasked = "{\"error\": {\"desc\": \"nobody asked\"}}\n"
            let answer = isReady ? "{\"return\": {}}\n\(unasked)" : "{\"return\": "
            stream.send(request.synchronization ?? Array(answer.utf8))
        }
        await #expect(throws: CloudletError.self) {
            try await GuestAgent(agent.channel, for: .milliseconds(100)).requireAnswer()
        }
        isReady.store(true, ordering: .sequentiallyConsistent)
        let calls = GuestAgent(agent.channel, for: .seconds(30))
        for _ in 0..<5 { try await calls.requireAnswer() }
    }

    @Test("the answer to a call that was given up is not taken for the one to the next call")
    func late() async throws {
        let given = Mutex<[String]>([])
        let agent = try FakeAgent { request, stream in
            if request.name == "guest-fstrim" { return given.withLock { $0.append("{\"return\": {\"paths\": []}}\n") } }
            for late in given.withLock({ Array($0) }) { stream.send(late) }
            given.withLock { $0 = [] }
            stream.send(
                request.synchronization ?? Array("{\"return\": {\"pid\": 7, \"exited\": true, \"exitcode\": 0}}\n".utf8)
            )
        }
        await #expect(throws: CloudletError.self) {
            try await GuestAgent(agent.channel, for: .milliseconds(100)).trim()
        }
        try await GuestAgent(agent.channel, for: .seconds(30)).run(script: "true")
    }

    @Test("nothing is read after the deadline, however much a guest sends")
    func deadline() throws {
        let pair = try SocketPair()
        pair.theirs.send([UInt8](repeating: 0x41, count: 4096))
        #expect(try AgentChannel(pair.ours).answer(to: "{}", named: "guest-ping", before: .now) == nil)
        withExtendedLifetime(pair) {}
    }

    @Test("an agent that takes no requests does not block the one who sends them")
    func full() throws {
        let pair = try SocketPair()
        let channel = AgentChannel(pair.ours)
        let error = #expect(throws: CloudletError.self) {
            for _ in 0..<10_000 { _ = try channel.answer(to: "{}", named: "guest-ping", before: .now) }
        }
        #expect(error?.message == "the guest agent does not take the request guest-ping", "\(error as Any)")
        withExtendedLifetime(pair) {}
    }

    @Test("a cancelled call and one whose VM ends do not wait for the agent")
    func ends() async throws {
        let asked = AsyncEvent()
        let silent = try FakeAgent { _, _ in asked.set() }
        let call = Task { try await GuestAgent(silent.channel, for: .seconds(600)).trim() }
        await asked.wait()
        call.cancel()
        let interruption = await #expect(throws: CloudletError.self) { try await call.value }
        #expect(interruption?.code == .interrupted)
        let other = Task { try await GuestAgent(silent.channel, for: .seconds(600)).trim() }
        silent.end()
        let end = await #expect(throws: CloudletError.self) { try await other.value }
        #expect(
            end?.message.contains("the VM ended before") == true
                || end?.message.contains("does not take the request") == true)
    }

    @Test("a script's failure is told, and one that does not end is not waited for")
    func scripts() async throws {
        let status = Mutex("{\"exited\": true, \"exitcode\": 3}")
        let agent = try FakeAgent { request in
            "{\"return\": \(request.name == "guest-exec" ? "{\"pid\": 7}" : status.withLock { $0 })}"
        }
        let failed = await #expect(throws: CloudletError.self) {
            try await GuestAgent(agent.channel, for: .seconds(30)).run(script: "exit 3")
        }
        #expect(failed?.message.contains("ended with status 3") == true)
        status.withLock { $0 = "{\"exited\": false}" }
        let endless = await #expect(throws: CloudletError.self) {
            try await GuestAgent(agent.channel, for: .milliseconds(100)).run(script: "sleep 1000")
        }
        #expect(endless?.message.contains("in time") == true, "\(endless as Any)")
    }

    @Test("a VM whose guest has no agent is known as such at once, and its end ends all calls to the agent")
    func realEmulator() async throws {
        let small = try await SmallVM(waitsForState: false)
        #expect(await !small.vm.agentAnswers())
        #expect(await small.vm.guestSupport(within: .milliseconds(50)) == .unknown)
        let support = GuestSupport(clock: .agent, random: .agent)
        let refresh = small.vm.beginRefresh(VMDescription(machine: SmallVM.machine, guest: support))
        #expect(await refresh.result(within: .milliseconds(100)) == nil)
        let call = Task { try await small.vm.runInGuest(script: "true", within: .seconds(600)) }
        try await small.vm.destroy()
        let result = try #require(await refresh.result(within: nil))
        #expect(result.warnings.count == 2 && result.warnings[0].contains("agent"), "\(result.warnings)")
        await #expect(throws: CloudletError.self) { try await call.value }
    }
}
