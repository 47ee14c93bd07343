// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// Warm VMs of a node.
extension EndToEndTests {
    private func withStandby(
        _ chain: EndToEndFixture.Chain,
        _ body: @escaping @Sendable (EndToEndLab, BackgroundProgram) async throws -> Void
    ) async throws {
        let log = chain.directory.appending("standby-\(UInt32.random(in: 0 ... .max)).log")
        let settings = ["CLOUDLET_STANDBY_MACHINES": "1", "CLOUDLET_LOG_FORMAT": "text"]
        let status = try await EndToEndLab.with(hosts: 2) { lab in
            try await lab.with(
                1, [Program.path("cloudlet-node")], environment: chain.environment.merging(settings) { $1 }, log: log
            ) { node in
                try await node.waitFor("warm VM is ready", seconds: 60)
                try await body(lab, node)
            }.status
        }
        let text = String(decoding: try File(log, .read).read(1 << 20, at: 0), as: UTF8.self)
        #expect(status == 0, "\(text)")
        try await requireNothingLeft(chain)
    }

    private func answer(_ lab: EndToEndLab, _ chain: EndToEndFixture.Chain) async throws -> FaceAnswer {
        let launch = Repository.root.appending("Scripts/guest/face-client").string
        let result = try await lab.run(
            2,
            [
                Program.path("cloudlet-find"), "--protocol", "ssdp", "--timeout", "20", "--overlay",
                chain.overlay.string, "--launch", launch,
            ], environment: ["CLOUDLET_HOME": chain.directory.appending("client").string])
        #expect(result.status == 0, "\(result.errors)")
        return try FaceAnswer(in: result.output)
    }

    /// The lines of syntheses in a log.
    private func syntheses(_ node: BackgroundProgram) -> [Substring] {
        node.output.split(separator: "\n").filter { $0.contains(" synthesized ") }
    }

    /// The emulators' process numbers.
    private func emulators(_ chain: EndToEndFixture.Chain) async throws -> [Int32] {
        let listed = try await Tool.run("pgrep", ["-f", "qemu-system.*\(chain.home)"])
        return listed.output.split(separator: "\n").compactMap { Int32($0) }
    }

    @Test("a warm VM takes an overlay without an emulator's start, and another one takes its place")
    func standsBy() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withStandby(chain) { lab, node in
            for round in 1...2 {
                try await until(30, "no warm VM") { node.output.components("warm VM is ready base") == round }
                #expect(try await answer(lab, chain).continues(chain.before))
                let line = try #require(syntheses(node).last)
                #expect(!line.contains("start emulator") && !line.contains("copy memory"), "\(line)")
                #expect(line.contains("load state") && line.contains("application ready"), "\(line)")
            }
            try await until(30, "no warm VM") { node.output.components("warm VM is ready base") == 3 }
            let page = try await lab.run(1, ["curl", "-s", "http://\(EndToEndLab.address(1)):8022/metrics"])
            #expect(page.output.contains("\ncloudlet_standby_vms 1\n"), "\(page.output)")
        }
        #expect(try chain.hashesNow() == chain.baseHashes)
    }

    @Test("a warm VM that dies is replaced, and a session that comes meanwhile gets another one")
    func standbyDies() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        try await withStandby(chain) { lab, node in
            let waiting = try await emulators(chain)
            #expect(waiting.count == 1)
            for emulator in waiting { kill(emulator, SIGKILL) }
            #expect(try await answer(lab, chain).continues(chain.before))
            let line = try #require(syntheses(node).last)
            #expect(line.contains("start emulator"), "\(line)")
            #expect(node.output.contains("warm VM was ended reason=\"its emulator has ended\""))
            try await until(30, "no warm VM") { node.output.components("warm VM is ready base") == 2 }
        }
    }
}
