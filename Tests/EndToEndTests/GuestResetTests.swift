import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// Guests that reset their devices after they were resumed: by drivers, by a sleep, by a reboot.
extension EndToEndTests {
    /// An overlay, with SSH, of a guest that slept when its state was to be saved.
    private func sleptOverlay(_ chain: EndToEndFixture.Chain, in scratch: ScratchDirectory) async throws -> FilePath {
        let overlay = scratch.file("slept")
        let script = """
            #!/bin/sh
            ssh -F none -T -p $CLOUDLET_VM_PORT_22 -i '\(chain.disk).key' -o BatchMode=yes -o IdentitiesOnly=yes \
                -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 \
                'setsid sh -c "sleep 0.5; echo mem >/sys/power/state" >/dev/null 2>&1 </dev/null &' || exit 1
            # Until there is no greeting any more.
            while timeout 2 bash -c 'read line </dev/tcp/127.0.0.1/$CLOUDLET_VM_PORT_22'; do :; done
            """
        let program = scratch.file("sleep")
        try scratch.write("sleep", Array(script.utf8)).setPermissions(0o755)
        let made = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", overlay.string, "--provision", program.string, "--no-closing-step",
                "--", "-redir", "tcp:2222::22",
            ], environment: chain.environment)
        #expect(made.status == 0, "\(made.errors)")
        return overlay
    }

    @Test("a resumed guest that resets its network card, sleeps or reboots keeps its VM and its ports")
    func resets() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let overlay = try await sleptOverlay(chain, in: scratch)
        try await EndToEndLab.with(hosts: 1) { lab in
            let held = try await lab.with(
                1, [Program.path("cloudlet"), "synthesis", chain.disk.string, overlay.string],
                environment: chain.environment, log: scratch.file("log")
            ) { program in
                try await program.waitFor("Ctrl-C ends the VM")
                let guest = Guest(lab: lab, key: chain.disk.string + ".key", find: program, home: chain.home)
                // A guest that is reset leaves connections without a word.
                @Sendable func run(_ command: String) async throws -> String {
                    try await guest.run(command, from: 1, address: "127.0.0.1", patience: 8)
                }
                /// Has the guest do something in a second, and waits until a later command says what it should.
                @Sendable func require(_ said: String, by command: String, after work: String) async throws {
                    _ = try await run("setsid sh -c 'sleep 1; \(work)' >/dev/null 2>&1 </dev/null &")
                    try await until(90, "'\(command)' does not say '\(said)' after '\(work)': \(program.output)") {
                        guard program.isRunning else { return true }
                        return try await run(command).hasPrefix(said)
                    }
                    try #require(program.isRunning, "\(work): \(program.output)")
                }
                let slept = "cat /sys/power/suspend_stats/success"
                #expect(try await run(slept) == "1\n", "the guest did not sleep before it was saved")
                // As a reboot, a sleep or a change of drivers does it, but in no time.
                let reset = """
                    cd /sys/bus/virtio/drivers/virtio_net
                    card=$(ls | grep ^virtio); echo $card >unbind; echo $card >bind
                    ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
                    echo again >/tmp/reset
                    """
                try await require("again", by: "cat /tmp/reset", after: reset)
                try await require("2\n", by: slept, after: "echo mem >/sys/power/state")
                try await program.waitFor("the guest went to sleep, and was woken up", seconds: 10)
                try await require("0\n", by: slept, after: "reboot -f")
            }
            #expect(held.status == 0 || held.status == 130, "\(held.status)")
        }
        try await requireNothingLeft(chain)
    }
}
