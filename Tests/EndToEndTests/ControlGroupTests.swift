// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

extension EndToEndTests {
    @Test(
        "a node whose control group bears no VM, or one, refuses the rest with the reason, and the kernel kills nothing",
        .enabled(if: MemoryGroup.refusal == nil, "\(MemoryGroup.refusal ?? "")"))
    func controlGroup() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let group = try MemoryGroup(limit: 260 << 20)
        let environment = chain.environment.merging(["CLOUDLET_ADMISSION_PATIENCE": "0"]) { $1 }
        try await EndToEndLab.with(hosts: 3) { lab in
            let log = chain.directory.appending("group-\(UInt32.random(in: 0 ... .max)).log")
            let shown = try await lab.run(1, ["sh", "-c", group.showing])
            #expect(shown.status == 0, "\(shown.errors)")
            let node = try await lab.with(1, [Program.path("cloudlet-node")], environment: environment, log: log) {
                node in
                try await node.waitFor("node is ready")
                // Its VMs are in its group.
                try group.add(node.pid)
                let find = [
                    Program.path("cloudlet-find"), "--protocol", "ssdp", "--overlay", chain.overlay.string, "--timeout",
                    "20",
                ]
                @Sendable func client(_ host: Int) -> [String: String] {
                    ["CLOUDLET_HOME": chain.directory.appending("client-\(host)").string]
                }
                let none = try await lab.run(3, find + ["--launch", "true"], environment: client(3))
                #expect(none.status == 69 && none.errors.contains("of memory"), "\(none.status): \(none.errors)")
                // Room for one beside the reserve of 512 MiB.
                try group.setLimit(1440 << 20)
                let first = try await lab.with(
                    2, find + ["--hold"], environment: client(2), log: FilePath("\(log).find")
                ) { held in
                    try await held.waitFor("Ctrl-C ends the session")
                    let second = try await lab.run(3, find + ["--launch", "true"], environment: client(3))
                    #expect(second.status == 75 && second.errors.contains("of memory"), "\(second)")
                    #expect(held.isRunning && !held.output.contains("error"), "\(held.output)")
                }
                #expect(first.status == 0)
            }
            #expect(node.status == 0)
        }
        try await group.remove()
        try await requireNothingLeft(chain)
    }
}
