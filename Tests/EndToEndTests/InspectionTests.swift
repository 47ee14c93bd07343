// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

extension EndToEndTests {
    @Test("inspect tells what an overlay holds, where its base is unknown")
    func inspect() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let elsewhere = ["CLOUDLET_HOME": scratch.file("home").string]
        let meta = chain.overlay.appending("face.overlay-meta")
        let hash = try #require(chain.baseHashes["guest.raw"]).hex
        let table = try await Program.cloudlet(["inspect", meta.string], environment: elsewhere)
        #expect(table.status == 0 && table.errors.isEmpty)
        for word in ["Base VM: \(hash)", "Forward: tcp:9876::9876", "Ready port: 9876", "raw", "zeros", "overlay_1.xz"]
        {
            #expect(table.output.contains(word), "\(word) is missing in \(table.output)")
        }
        let json = try await Program.cloudlet(
            ["inspect", chain.overlay.string, "--format", "json"], environment: elsewhere)
        let report = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(report["base_sha256"] as? String == hash && report["forwards"] as? [String] == ["tcp:9876::9876"])
        let kinds = try #require(report["kinds"] as? [[String: Any]])
        let blobs = try #require(report["blobs"] as? [[String: Any]])
        let items = kinds.compactMap { $0["items"] as? Int }.reduce(0, +)
        #expect(items > 100 && items == report["items"] as? Int)
        let pages = blobs.compactMap { ($0["memory_pages"] as? Int ?? 0) + ($0["disk_pages"] as? Int ?? 0) }
        #expect(pages.reduce(0, +) == items)
        // Every byte that is no header is of some part of an image.
        let own = kinds.filter { ["raw", "xdelta"].contains($0["kind"] as? String) }
        let ownBytes = own.compactMap { ($0["bytes"] as? Int ?? 0) - 19 * ($0["items"] as? Int ?? 0) }.reduce(0, +)
        let parts = try #require(report["largest_parts"] as? [[String: Any]])
        let sizes = parts.compactMap { $0["own_bytes"] as? Int }
        #expect(sizes == sizes.sorted(by: >) && sizes.reduce(0, +) <= ownBytes && sizes.count <= 10)
        let sum = try blobs.reduce(0) { try $0 + #require($1["bytes"] as? Int) }
        #expect(sum == report["compressed_bytes"] as? Int)
        #expect(try FileStatus.of(scratch.file("home")) == nil)
    }

    @Test("verify accepts what synthesis would, on a registered base and on plain files, and writes nothing")
    func verify() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let hashes = try chain.hashesNow()
        let files = try Directory.names(in: chain.overlay)
        for environment in [chain.environment, ["CLOUDLET_HOME": scratch.file("home").string]] {
            let result = try await Program.cloudlet(
                ["verify", chain.overlay.string, "--base", chain.disk.string],
                environment: environment.merging(["TMPDIR": scratch.path.string]) { $1 })
            #expect(result.status == 0 && result.output.contains("Overlay is valid"), "\(result.errors)")
        }
        #expect(try chain.hashesNow() == hashes && Directory.names(in: chain.overlay) == files)
        #expect(try Directory.names(in: scratch.path) == ["home"] && Directory.names(in: scratch.file("home")).isEmpty)
    }

    @Test("verify and inspect name the blob and byte of any damage")
    func verifyDamage() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let copy = scratch.file("copy")
        _ = try await Tool.run("cp", ["-r", chain.overlay.string, copy.string])
        let blob = try File(copy.appending("face.overlay_1.xz"), .readWrite)
        let middle = try blob.size() / 2
        try blob.write(try blob.read(8, at: middle).map { ~$0 }, at: middle)
        for command in [["verify", copy.string, "--base", chain.disk.string], ["inspect", copy.string]] {
            let result = try await Program.cloudlet(command, environment: chain.environment)
            #expect(result.status == 65 && result.output.isEmpty, "\(result.output)")
            #expect(result.errors.contains("face.overlay_1.xz") && result.errors.contains("byte "), "\(result.errors)")
        }
        let other = try scratch.write("other.raw", [0])
        let result = try await Program.cloudlet(
            ["verify", chain.overlay.string, "--base", other.path.string], environment: chain.environment)
        #expect(result.status == 66 && result.errors.contains("other.base-mem"), "\(result.errors)")
    }
}
