// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// The CD for cloud-init, read by another program.
@Suite struct CloudInitSeedTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// The files of the CD, and its label.
    private func read(_ seed: CloudInitSeed) async throws -> (files: [String: String], label: String) {
        let image = try await seed.writeImage(in: scratch.path)
        let tree = scratch.file("read")
        let read = try await Tool.run(
            "xorriso", ["-osirrox", "on", "-indev", image.string, "-extract", "/", tree.string])
        #expect(read.status == 0, "\(read.errors)")
        var files: [String: String] = [:]
        for name in try Directory.names(in: tree) {
            files[name] = String(decoding: try File(tree.appending(name), .read).read(1 << 20, at: 0), as: UTF8.self)
        }
        let label = String(decoding: try File(image, .read).read(32, at: 0x8028), as: UTF8.self)
        return (files, String(label.prefix { $0 != " " }))
    }

    @Test("user data is passed on as it is, with an identity and the order to power off")
    func userData() async throws {
        let text = "#cloud-config\nruncmd:\n  - [touch, /done]\n"
        _ = try scratch.write("user", Array(text.utf8))
        let seed = try CloudInitSeed(userData: scratch.file("user"), hostName: "Debian 12_generic.x")
        let (files, label) = try await read(seed)
        #expect(label == "cidata")
        #expect(files.keys.sorted() == ["meta-data", "user-data", "vendor-data"])
        #expect(files["user-data"] == text)
        #expect(files["meta-data"]?.contains("local-hostname: debian12genericx\n") == true)
        #expect(files["meta-data"]?.hasPrefix("instance-id: iid-cloudlet-") == true)
        #expect(files["vendor-data"]?.contains("mode: poweroff") == true)
        #expect(files["vendor-data"]?.contains("> /etc/cloud/cloud-init.disabled\n") == true)
    }

    @Test("what cloud-init would ignore is refused")
    func refusals() throws {
        for text in ["", "users: []\n", "\n#cloud-config\n"] {
            let name = "u\(text.count)"
            _ = try scratch.write(name, Array(text.utf8))
            let error = #expect(throws: CloudletError.self) {
                try CloudInitSeed(userData: scratch.file(name), hostName: "x")
            }
            #expect(error?.code == .badData && error?.firstAdvice?.contains("#cloud-config") == true)
        }
        for key in ["", "ssh-ed25519", "hello world", "ssh-rsa AAAA\" x", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            #expect(throws: CloudletError.self) { try CloudInitSeed(user: "ada", key: key, hostName: "x") }
        }
    }

    @Test("by default, a user gets the caller's key")
    func defaults() async throws {
        let seed = try CloudInitSeed(user: "ada", key: "ssh-ed25519 AAAAC3 ada@home more", hostName: "-box")
        let files = try await read(seed).files
        #expect(files["user-data"]?.hasPrefix("#cloud-config\n") == true)
        #expect(files["user-data"]?.contains("- \"ssh-ed25519 AAAAC3 ada@home\"\n") == true)
        #expect(files["user-data"]?.contains("name: \"ada\"") == true)
        #expect(files["meta-data"]?.contains("local-hostname: box\n") == true)
    }
}
