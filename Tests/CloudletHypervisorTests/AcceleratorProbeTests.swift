// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import FoundationEssentials
import Subprocess
import SystemPackage
import Testing

@testable import CloudletHypervisor

@Suite(.timeLimit(.minutes(1))) struct AcceleratorProbeTests {
    private let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// A program that behaves like QEMU: it starts, answers a monitor command, lets its guest run when told to, and ends.
    private func emulator(start: String = "", guest: String = "", status: Int = 33) throws -> Executable {
        let path = scratch.file("qemu-\(UInt64.random(in: 0 ... .max))")
        let text = """
            #!/bin/sh
            \(start)
            echo '{"QMP": {"version": {}, "capabilities": []}}'
            read capabilities
            echo '{"return": {}}'
            read cont
            case $cont in *'"cont"'*) ;; *) exit 1 ;; esac
            \(guest)
            exit \(status)

            """
        try File(path, .create(permissions: 0o755)).write(Array(text.utf8), at: 0)
        return .path(path)
    }

    private func outcome(_ emulator: Executable, guestLimit: Duration) async throws -> ProbeRun.Outcome {
        try await ProbeRun(accelerator: "kvm", emulator: emulator, guestLimit: guestLimit).outcome()
    }

    @Test("only the guest's time counts, however long the emulator takes to start")
    func slowStart() async throws {
        let slow = try emulator(start: "sleep 1.5")
        #expect(try await outcome(slow, guestLimit: .seconds(1)) == .succeeded)
    }

    @Test("a guest that needs too much processor time, and an emulator that is not ready in time, are ended")
    func late() async throws {
        let endless = try emulator(guest: "while :; do :; done")
        #expect(try await outcome(endless, guestLimit: .milliseconds(300)) == .guestIsSlow)
        let stuck = ProbeRun(
            accelerator: "kvm", emulator: try emulator(start: "exec sleep 600"), startLimit: .milliseconds(300))
        #expect(try await stuck.outcome() == .hostIsBusy)
    }

    @Test("a guest that gets no processor time is waited for longer, but not for ever")
    func busyHost() async throws {
        let delayed = try emulator(guest: "sleep 0.6")
        #expect(try await outcome(delayed, guestLimit: .milliseconds(200)) == .succeeded)
        let failing = try emulator(guest: "sleep 0.6", status: 3)
        #expect(try await outcome(failing, guestLimit: .milliseconds(200)) == .failed(nil))
        let idle = ProbeRun(
            accelerator: "kvm", emulator: try emulator(guest: "exec sleep 600"), guestLimit: .milliseconds(200),
            patience: 3)
        #expect(try await idle.outcome() == .hostIsBusy)
    }

    @Test("an emulator that fails is quoted, and one that is missing is an error")
    func failing() async throws {
        let refusing = try emulator(
            start: "echo 'qemu-system-x86_64: failed to initialize kvm: Permission denied' >&2; exit 1")
        #expect(
            try await outcome(refusing, guestLimit: .seconds(1))
                == .failed("failed to initialize kvm: Permission denied"))
        #expect(try await outcome(try emulator(status: 3), guestLimit: .seconds(20)) == .failed(nil))
        let missing = await #expect(throws: CloudletError.self) {
            try await ProbeRun(accelerator: "kvm", emulator: .path(scratch.file("none"))).outcome()
        }
        #expect(missing?.code == .unavailable)
    }

    @Test("QEMU runs the program to its end under an accelerator that works, and names one that does not exist")
    func real() async throws {
        let emulated = ProbeRun(accelerator: "tcg", guestLimit: .seconds(30))
        #expect(try await emulated.outcome() == .succeeded)
        guard case .failed(let words?) = try await ProbeRun(accelerator: "nosuch").outcome() else {
            Issue.record("the accelerator does not exist")
            return
        }
        #expect(words.contains("nosuch"))
    }

    /// Asks for the verdict with probes that have these outcomes.
    /// - Returns: whether KVM can be used, and how many probes were made.
    private func verdict(
        _ outcomes: ProbeRun.Outcome..., after seconds: Double = 0, key: String = "k"
    ) async throws -> (kvm: Bool, probes: Int) {
        var probes = 0
        let verdict = try await AcceleratorProbe.verdict(
            cache: scratch.file("cache"), key: key, at: Date(timeIntervalSince1970: 1e9 + seconds)
        ) { () throws(CloudletError) in
            defer { probes += 1 }
            guard probes < outcomes.count else { throw CloudletError(.defect, "one probe too many") }
            return outcomes[probes]
        }
        return (verdict.kvm, probes)
    }

    @Test("a failure that the host may have caused is repeated and not stored, and success is stored")
    func retry() async throws {
        #expect(try await verdict(.hostIsBusy, .failed(nil)) == (false, 2))
        #expect(try FileStatus.of(scratch.file("cache")) == nil)
        #expect(try await verdict(.hostIsBusy, .succeeded) == (true, 2))
        #expect(try await verdict(after: 1e6) == (true, 0))
        #expect(try await verdict(.succeeded, after: 1e6, key: "another boot") == (true, 1))
    }

    @Test("that guests are slow is believed for minutes, not until the next boot")
    func lifetime() async throws {
        #expect(try await verdict(.guestIsSlow) == (false, 1))
        #expect(try await verdict(after: 299) == (false, 0))
        // The clock was set back.
        #expect(try await verdict(.guestIsSlow, after: -1) == (false, 1))
        #expect(try await verdict(after: 298) == (false, 0))
        #expect(try await verdict(.succeeded, after: 299) == (true, 1))
    }

    @Test("a failure that an earlier version has stored is not believed")
    func oldCache() async throws {
        _ = try scratch.write("cache", Array(#"{"key":"k","verdict":{"kvm":false,"reason":"slow"}}"#.utf8))
        #expect(try await verdict(.succeeded) == (true, 1))
    }
}
