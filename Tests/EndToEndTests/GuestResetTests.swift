// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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

    @Test("a resumed guest that resets its network card, sleeps or reboots keeps its VM, and its ports for the LAN")
    func resets() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let overlay = try await sleptOverlay(chain, in: scratch)
        try await EndToEndLab.with(hosts: 2) { lab in
            let served = try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment, log: scratch.file("node")
            ) { node in
                try await node.waitFor("node is ready")
                _ = try await lab.with(
                    2, [Program.path("cloudlet-find"), "--overlay", overlay.string, "--hold", "--timeout", "20"],
                    environment: ["CLOUDLET_HOME": scratch.file("client").string], log: scratch.file("find")
                ) { find in
                    try await find.waitFor("Ctrl-C ends the session")
                    try await requirePorts(
                        of: Guest(lab: lab, key: chain.disk.string + ".key", find: find, home: chain.home), node)
                }
            }
            #expect(served.status == 0, "\(served.status)")
        }
        try await requireNothingLeft(chain)
    }

    private func requirePorts(of guest: Guest, _ node: BackgroundProgram) async throws {
        // A guest that is reset leaves connections without a word.
        @Sendable func run(_ command: String) async throws -> String { try await guest.run(command, patience: 8) }
        /// Has the guest do something in a second, and waits until a later command says what it should.
        func require(_ said: String, by command: String, after work: String) async throws {
            _ = try await run("setsid sh -c 'sleep 1; \(work)' >/dev/null 2>&1 </dev/null &")
            try await until(90, "'\(command)' does not say '\(said)' after '\(work)': \(node.output)") {
                guard guest.find.isRunning else { return true }
                return try await run(command).hasPrefix(said)
            }
            try #require(guest.find.isRunning, "\(work): \(guest.find.output)")
        }
        let slept = "cat /sys/power/suspend_stats/success"
        #expect(try await run(slept) == "1\n", "the guest did not sleep before it was saved")
        // As a reboot, a sleep or a change of drivers does it, but in no time; and without a route to other hosts, because
        // QEMU's DHCP server names no router to guests that are kept from the network.
        let reset = """
            cd /sys/bus/virtio/drivers/virtio_net
            card=$(ls | grep ^virtio); echo $card >unbind; echo $card >bind
            ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
            echo again >/tmp/reset
            """
        try await require("again", by: "cat /tmp/reset", after: reset)
        try await require("2\n", by: slept, after: "echo mem >/sys/power/state")
        try await node.waitFor("a guest went to sleep, and was woken up", seconds: 10)
        try await require("0\n", by: slept, after: "reboot -f")
        // As if the host's kernel had killed it.
        _ = try await guest.lab.run(1, ["pkill", "-9", "-f", "port[-]relay .* 2222 "])
        try await node.waitFor("the process that relays a VM's ports ended, and was started again", seconds: 10)
        #expect(try await run("ip route | grep -c ^default") == "0\n", "the guest has a route, so nothing was tried")
    }
}
