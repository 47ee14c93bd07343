// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

extension EndToEndTests {
    @Test("VMs of one overlay have the host's time, and draw numbers of their own from the first read on")
    func twins() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let inspected = try await Program.cloudlet(["inspect", chain.overlay.string], environment: [:])
        #expect(inspected.output.contains("Clock at resume: set by the guest agent"), "\(inspected.output)")
        #expect(inspected.output.contains("Random numbers at resume: reseeded by the guest's kernel"))
        try await requireDifferentTwins(of: chain.overlay, chain)
    }

    @Test(
        "without a driver of the generation id the guest's agent seeds the generator; a guest without both is told of")
    func twinsByAgent() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let byAgent = try await overlay(
            "agent", chain, scratch,
            // By then the guest has been resumed once, as its kernel noticed.
            work:
                "dmesg | grep -c \"virtual machine fork\"; for d in /sys/bus/*/drivers/vmgenid; do echo -n $(basename $d/*:*) > $d/unbind; done; \(Self.hourAgo); date +%s"
        )
        #expect(byAgent.said.first == "1", "the kernel did not notice the resume: \(byAgent.said)")
        #expect(byAgent.result.status == 0, "\(byAgent.result.errors)")
        // The clock is right while customising, too.
        let clock = try #require(byAgent.said.last.flatMap { Int($0) })
        #expect(abs(clock - byAgent.host) <= 3, "the guest's clock is \(byAgent.host - clock) s behind")
        let inspected = try await Program.cloudlet(
            ["inspect", "--format", "json", byAgent.directory.string], environment: [:])
        #expect(inspected.output.contains("\"guest_random\" : \"agent\""), "\(inspected.output)")
        try await requireDifferentTwins(of: byAgent.directory, chain)

        let without = try await overlay(
            "without", chain, scratch,
            work: "for d in /sys/bus/*/drivers/vmgenid; do echo -n $(basename $d/*:*) > $d/unbind; done; "
                + "sed -i /agent/d /etc/inittab; kill -HUP 1; while kill $(pidof qemu-ga) 2> /dev/null; do sleep 0.1; done"
        )
        #expect(without.result.status == 0)
        #expect(without.result.errors.contains("nothing sets the guest's clock"), "\(without.result.errors)")
        #expect(without.result.errors.contains("may draw the same random numbers"))
        let told = try await Program.cloudlet(["inspect", without.directory.string], environment: [:])
        #expect(told.output.contains("may be the same in all VMs of this overlay"), "\(told.output)")
        let run = try await answer(of: without.directory, chain)
        #expect(run.errors.contains("the guest's clock was not set"), "\(run.errors)")
        #expect(run.errors.contains("random generator was not seeded again"), "\(run.errors)")
    }

    /// Restarts the guest's agent, and waits until it has opened its channel.
    static let restartOfAgent =
        "old=$(pidof qemu-ga); kill $old; while [ -e /proc/$old ]; do sleep 0.1; done; "
        + "until ls -l /proc/$(pidof qemu-ga)/fd 2> /dev/null | grep -q vport; do sleep 0.1; done"

    /// Makes the guest's clock an hour slow in the saved state, as if it had been saved an hour ago. The agent sets the
    /// clock right before that, and then runs hwclock, which here sets it back once.
    private static let hourAgo =
        "printf \"#!/bin/sh\\n[ -e /run/once ] || { : > /run/once; date -u -s @\\$((\\$(date +%%s) - 3600)); }\\n\" "
        + "> /sbin/hwclock; chmod 755 /sbin/hwclock; \(restartOfAgent)"

    /// Two VMs of one overlay, one after the other: each is asked as soon as its program says that it runs.
    private func requireDifferentTwins(of overlay: FilePath, _ chain: EndToEndFixture.Chain) async throws {
        // Old enough that a clock which stands where the overlay was cut is noticed.
        let status = try #require(try FileStatus.of(overlay))
        let age = Int(Date().timeIntervalSince1970) - status.modified / 1_000_000_000
        if age < 5 { try await Task.sleep(for: .seconds(5 - age)) }
        let (first, second) = (try await answer(of: overlay, chain), try await answer(of: overlay, chain))
        #expect(first.answer.token == second.answer.token, "not the same application")
        #expect(first.answer.random != second.answer.random, "both VMs drew \(first.answer.random)")
        for run in [first, second] {
            // Within a second of the host's, which was read before and after.
            #expect(
                (run.host.lowerBound - 1...run.host.upperBound + 1).contains(run.answer.time),
                "the clock is \(run.host.upperBound - run.answer.time) s behind")
            #expect(!run.errors.contains("not set") && !run.errors.contains("not seeded"), "\(run.errors)")
        }
    }

    private struct Run {
        let answer: FaceAnswer
        let errors: String
        /// The host's clock before the question and after the answer.
        let host: ClosedRange<Int>
    }

    private func answer(of overlay: FilePath, _ chain: EndToEndFixture.Chain) async throws -> Run {
        let started = try await Program.cloudlet(
            ["synthesis", chain.disk.string, overlay.string, "--detach"], environment: chain.environment)
        try #require(started.status == 0, "\(started.errors)")
        let before = Int(Date().timeIntervalSince1970)
        let answer = try await Tool.run("curl", ["-s", "-m", "10", "http://127.0.0.1:9876/"])
        let host = before...Int(Date().timeIntervalSince1970)
        let name = try #require(started.output.split(separator: " ").dropFirst().first)
        _ = try await Program.cloudlet(["stop-vm", String(name)], environment: chain.environment)
        return Run(answer: try FaceAnswer(in: answer.output), errors: started.errors, host: host)
    }

    private struct Made {
        let directory: FilePath
        let result: Tool.Result
        /// The lines that the work printed in the guest.
        let said: [String]
        /// The host's clock right after it.
        let host: Int
    }

    /// Makes an overlay of the demo application in whose guest `work` was done before.
    private func overlay(
        _ name: String, _ chain: EndToEndFixture.Chain, _ scratch: ScratchDirectory, work: String
    ) async throws -> Made {
        let key = chain.disk.string + ".key"
        let script = """
            #!/bin/sh
            set -e
            guest() {
                ssh -F none -T -p "$CLOUDLET_VM_PORT_22" -i '\(key)' -o BatchMode=yes -o StrictHostKeyChecking=no \\
                    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "root@$CLOUDLET_VM_HOST" "$1"
            }
            until guest true; do sleep 0.2; done
            '\(Repository.root.appending("Scripts/guest/install-face"))'
            guest '\(work)' > "$0.said"
            date +%s >> "$0.said"
            """
        let program = scratch.file(name)
        try scratch.write(name, Array(script.utf8)).setPermissions(0o755)
        let directory = scratch.file("\(name)-overlay")
        let result = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", directory.string, "--ready-port", "9876", "--provision",
                program.string, "--", "-redir", "tcp:9876::9876",
            ], environment: chain.environment.merging(["FACE_KEY": key]) { $1 })
        let said = try? File(scratch.file("\(name).said"), .read).read(4096, at: 0)
        let lines = String(decoding: said ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
        return Made(
            directory: directory, result: result, said: Array(lines.dropLast()),
            host: lines.last.flatMap { Int($0) } ?? 0)
    }
}
