// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Benchmarks and soaks on a machine that has nothing yet: they ask for what they need, and end with its names where they
/// can't have it.
@Suite struct BenchSetupTests {
    /// What a machine without packages has.
    private static let basics = [
        "bash", "sh", "sed", "cat", "cut", "tr", "id", "dirname", "basename", "env", "grep", "mktemp", "rm",
    ]

    /// Runs a script with the basic programs and some more on its PATH.
    private func run(
        _ program: String, _ arguments: [String], having more: [String] = [], _ environment: [String: String] = [:]
    ) async throws -> Tool.Result {
        let scratch = try ScratchDirectory()
        for name in Self.basics + more {
            let place = ["/usr/bin/", "/bin/"].map { $0 + name }.first { unsafe access($0, X_OK) == 0 }
            guard let place else { continue }
            _ = unsafe symlink(place, scratch.file(name).string)
        }
        return try await Tool.run(
            program, arguments, environment: environment.merging(["PATH": scratch.path.string]) { $1 })
    }

    @Test(
        "Scripts/bench and Scripts/soak install what a subject needs, its peers too",
        arguments: [
            ("bench", "discovery", ["avahi-daemon", "avahi-utils", "python3-zeroconf", "python3-venv", "dbus"]),
            ("bench", "connections", ["qemu-system-x86", "mmdebstrap", "avahi-daemon", "python3"]),
            ("bench", "overlay", ["casync", "xdelta3", "zstd", "xz-utils", "qemu-utils", "mmdebstrap"]),
            ("bench", "service", ["netcat-openbsd", "libvirt-clients", "xdelta3", "iproute2", "mmdebstrap"]),
            ("soak", "discovery", ["avahi-daemon", "tcpdump", "dbus", "python3"]),
            ("soak", "kills", ["qemu-system-x86", "mmdebstrap", "avahi-daemon", "iproute2"]),
            ("soak", "service", ["qemu-system-x86", "mmdebstrap", "procps", "iproute2"]),
        ] as [(String, String, [String])])
    func installs(script: String, subject: String, packages: [String]) async throws {
        let result = try await run(Repository.script(script), [subject])
        #expect(result.status == 69, "\(result)")
        let listed = Set(
            result.errors.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
        #expect(listed.isSuperset(of: packages), "\(result.errors)")
    }

    @Test(
        "where a program is not there all the same, its name is printed before anything begins",
        .enabled(if: geteuid() == 0, "needs root"),
        arguments: [
            "benches.discovery", "benches.connections", "benches.overlay", "benches.service", "soaks.discovery",
            "soaks.kills", "soaks.service",
        ])
    func names(subject: String) async throws {
        let result = try await run(
            "/usr/bin/python3", ["-B", "-m", "lab.\(subject)"], having: [],
            ["PYTHONPATH": Repository.root.appending("Scripts").string])
        #expect(result.status == 69 && result.errors.contains(" not found; "), "\(result)")
        #expect(!result.errors.contains("Traceback"))
    }

    @Test("help needs no setup", arguments: [("bench", "discovery"), ("soak", "kills")])
    func help(script: String, subject: String) async throws {
        let result = try await run(Repository.script(script), [subject, "--help"], having: ["python3"])
        #expect(result.status == 0 && result.output.contains("Scripts/\(script) \(subject)"), "\(result)")
    }
}
