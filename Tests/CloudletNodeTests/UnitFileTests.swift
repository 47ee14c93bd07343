// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

/// The systemd unit, judged by systemd's own tools, which need no running systemd.
@Suite struct UnitFileTests {
    private let unit = Repository.root.appending("Descriptors/systemd/cloudlet-node.service")

    /// A copy whose program is one that is installed: that it is missing here is no fault of the unit.
    private func installed(in scratch: ScratchDirectory) throws -> FilePath {
        let text = try String(contentsOfFile: unit.string, encoding: .utf8)
        let copy = scratch.file("cloudlet-node.service")
        try text.replacing("/usr/bin/cloudlet-node", with: "/bin/true")
            .write(toFile: copy.string, atomically: true, encoding: .utf8)
        return copy
    }

    @Test("systemd-analyze verify has nothing to say")
    func verify() async throws {
        let scratch = try ScratchDirectory()
        let result = try await Tool.run("systemd-analyze", ["verify", "--man=no", try installed(in: scratch).string])
        #expect(result.status == 0 && (result.output + result.errors).isEmpty, "\(result.output)\(result.errors)")
        try (try String(contentsOfFile: unit.string, encoding: .utf8)).replacing("Type=notify", with: "Type=notifier")
            .write(toFile: scratch.file("broken.service").string, atomically: true, encoding: .utf8)
        let broken = try await Tool.run(
            "systemd-analyze", ["verify", "--man=no", scratch.file("broken.service").string])
        #expect(broken.errors.contains("notifier"), "verify sees nothing at all")
    }

    @Test("the exposure is at most 2.0")
    func security() async throws {
        let scratch = try ScratchDirectory()
        let result = try await Tool.run(
            "systemd-analyze",
            ["security", "--offline=true", "--no-pager", "--threshold=20", try installed(in: scratch).string])
        #expect(result.status == 0, "\(result.output.suffix(200))\(result.errors)")
    }

    @Test("the user of the unit is made by the file beside it")
    func user() async throws {
        let scratch = try ScratchDirectory()
        try Directory.create(scratch.file("etc"))
        let result = try await Tool.run(
            "systemd-sysusers",
            ["--root", scratch.path.string, Repository.root.appending("Descriptors/systemd/cloudlet.sysusers").string])
        #expect(result.status == 0, "\(result.errors)")
        let users = try String(contentsOfFile: scratch.file("etc/passwd").string, encoding: .utf8)
        let user = users.split(separator: "\n").map { $0.split(separator: ":") }.first { $0.first == "cloudlet" }
        #expect(user?.contains("/var/lib/cloudlet") == true, "\(users)")
        let groups = try String(contentsOfFile: scratch.file("etc/group").string, encoding: .utf8)
        #expect(groups.contains("kvm:x:") && groups.split(separator: "\n").contains { $0.hasPrefix("cloudlet:") })
        #expect(groups.split(separator: "\n").contains { $0.hasPrefix("kvm:") && $0.hasSuffix(":cloudlet") })
    }

    @Test("its state directory is made before its first start")
    func directory() async throws {
        let scratch = try ScratchDirectory()
        try Directory.create(scratch.file("etc"))
        // Without root, the directory can only be given to this user.
        let user = "\(geteuid())", group = "\(getegid())"
        let text = try String(
            contentsOfFile: Repository.root.appending("Descriptors/systemd/cloudlet.tmpfiles").string, encoding: .utf8)
        try text.replacing(" cloudlet cloudlet ", with: " \(user) \(group) ")
            .write(toFile: scratch.file("cloudlet.conf").string, atomically: true, encoding: .utf8)
        let result = try await Tool.run(
            "systemd-tmpfiles", ["--create", "--root", scratch.path.string, scratch.file("cloudlet.conf").string])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try FileStatus.of(scratch.file("var/lib/cloudlet"))?.permissions == 0o700)
    }

    @Test("the AppArmor profile of the unit can be loaded")
    func profile() async throws {
        let text = try String(contentsOfFile: unit.string, encoding: .utf8)
        #expect(text.contains("\nAppArmorProfile=-cloudlet-node\n"))
        let profile = Repository.root.appending("Descriptors/apparmor/cloudlet-node").string
        let names = try await Tool.run("/usr/sbin/apparmor_parser", ["-Q", "-T", "-K", "-N", profile])
        #expect(names.status == 0 && names.output == "cloudlet-node\ncloudlet-node//qemu\n", "\(names)")
        let parsed = try await Tool.run("/usr/sbin/apparmor_parser", ["-Q", "-T", "-K", profile])
        #expect(parsed.status == 0, "\(parsed.errors)")
    }
}
