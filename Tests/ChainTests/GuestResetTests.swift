import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// Guests that reset their devices after they were resumed.
extension ChainTests {
    @Test("a resumed guest that resets its network card keeps its VM and its ports")
    func resetNetworkCard() async throws {
        let chain = try await ChainFixture.shared.chain()
        let overlay = try await sshOverlay(chain)
        let scratch = try ScratchDirectory()
        try await ChainLab.with(hosts: 1) { lab in
            let held = try await lab.with(
                1, [Program.path("cloudlet"), "synthesis", chain.disk.string, overlay.string],
                environment: chain.environment, log: scratch.file("log")
            ) { program in
                try await program.waitFor("Ctrl-C ends the VM")
                let guest = Guest(lab: lab, key: chain.disk.string + ".key", find: program, home: chain.home)
                // As a reboot, a sleep or a change of drivers does it, but in no time.
                let reset = """
                    setsid sh -c 'sleep 1; cd /sys/bus/virtio/drivers/virtio_net
                    card=$(ls | grep ^virtio); echo $card >unbind; echo $card >bind
                    ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
                    echo again >/tmp/reset' >/dev/null 2>&1 </dev/null &
                    """
                _ = try await guest.run(reset, from: 1, address: "127.0.0.1")
                try await until(60, "the guest does not answer after the reset: \(program.output)") {
                    let answer = try await guest.run("cat /tmp/reset", from: 1, address: "127.0.0.1")
                    return answer.contains("again") || !program.isRunning
                }
                #expect(program.isRunning, "\(program.output)")
            }
            #expect(held.status == 0 || held.status == 130, "\(held.status)")
        }
        try await requireNothingLeft(chain)
    }
}
