import CloudletSystem
import CloudletTestSupport
import Foundation
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
        let groups = try String(contentsOfFile: scratch.file("etc/group").string, encoding: .utf8)
        #expect(groups.contains("kvm:x:") && groups.split(separator: "\n").contains { $0.hasPrefix("cloudlet:") })
        #expect(groups.split(separator: "\n").contains { $0.hasPrefix("kvm:") && $0.hasSuffix(":cloudlet") })
    }
}
