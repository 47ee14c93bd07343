// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import Testing

@testable import CloudletHypervisor

/// Real emulators that do not answer any more.
@Suite(.serialized, .timeLimit(.minutes(3))) struct StuckEmulatorTests {
    /// How long ending an emulator may take: three seconds and what a busy host needs.
    private static let limit = Duration.seconds(9)

    /// A VM whose emulator was stopped.
    private struct Stopped {
        let small: SmallVM
        let process: Int32

        var vm: VirtualMachine { small.vm }

        init(waitsForState: Bool) async throws {
            small = try await SmallVM(waitsForState: waitsForState)
            process = try await small.vm.processID()
            try #require(kill(process, SIGSTOP) == 0)
        }
    }

    @Test("a VM is ended while a command waits for its emulator, which never answers")
    func destroy() async throws {
        let stopped = try await Stopped(waitsForState: false)
        let vm = stopped.vm
        let stuck = Task { try await vm.emulatorVersion() }
        // Nothing shows that the command waits; a moment too short would only make the test weaker.
        try await Task.sleep(for: .milliseconds(300))
        let time = try await ContinuousClock().measure { try await vm.destroy() }
        #expect(time < Self.limit, "\(time)")
        await #expect(throws: CloudletError.self) { try await stuck.value }
        #expect(try await stopped.small.isGone(stopped.process))
        try await vm.destroy()
    }

    @Test(
        "a VM that does not take its state in time, or whose session is cancelled, is ended", arguments: [true, false])
    func watched(isCancelled: Bool) async throws {
        let stopped = try await Stopped(waitsForState: true)
        let vm = stopped.vm
        let limit = Duration.milliseconds(isCancelled ? 100_000 : 500)
        let work = Task {
            try await vm.watched(within: limit) { () async throws(CloudletError) in
                try await vm.loadState([UInt8](repeating: 0, count: 8 << 20))
            }
        }
        // Nothing shows that the state is on its way; a moment too short would only make the test weaker.
        try await Task.sleep(for: .milliseconds(300))
        let time = await ContinuousClock().measure {
            if isCancelled { work.cancel() }
            _ = await work.result
        }
        #expect(time < Self.limit, "\(time)")
        let error = await #expect(throws: CloudletError.self) { try await work.value }
        #expect(error?.code == (isCancelled ? .interrupted : .unavailable))
        #expect(try await stopped.small.isGone(stopped.process))
    }
}
