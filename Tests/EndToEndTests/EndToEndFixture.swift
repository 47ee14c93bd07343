// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import FoundationEssentials
import Glibc
import SystemPackage

/// A real guest, a base VM and an overlay made by the real programs, once for all tests of the chain.
actor EndToEndFixture {
    static let shared = EndToEndFixture()

    /// What the fixture holds.
    struct Chain: Sendable {
        /// Everything lies in here.
        let directory: FilePath
        /// The base VM's disk.
        let disk: FilePath
        /// The overlay of the running demo application.
        let overlay: FilePath
        /// What `cloudlet base` printed.
        let baseOutput: String
        /// What `cloudlet overlay` printed.
        let overlayOutput: String
        /// The application's answer before the overlay was cut.
        let before: FaceAnswer
        /// Hashes of all files of the base VM, before the overlay was made.
        let baseHashes: [String: SHA256Digest]

        /// The state directory of the machine that made base and overlay, and that runs the node.
        var home: FilePath { directory.appending("home") }

        /// Environment of programs on that machine. Only the tests of them have warm VMs.
        var environment: [String: String] { ["CLOUDLET_HOME": home.string, "CLOUDLET_STANDBY_MACHINES": "0"] }

        /// The hashes of all files of the base VM as they are now.
        func hashesNow() throws -> [String: SHA256Digest] { try EndToEndFixture.baseHashes(in: directory) }
    }

    private var making: Task<Chain, any Error>?

    /// The chain, made on first use; who comes meanwhile waits for it.
    func chain() async throws -> Chain {
        let task = making ?? Task { try await Self.make() }
        making = task
        return try await task.value
    }

    /// Makes the chain. With `CLOUDLET_TEST_FIXTURE=keep` in the environment it takes the one of the last run instead, for
    /// work on tests: making it takes minutes.
    private static func make() async throws -> Chain {
        // Below the build directory: a run that was broken off leaves nothing where others look.
        let directory = Repository.programs.appending("chain-fixture")
        if ProcessInfo.processInfo.environment["CLOUDLET_TEST_FIXTURE"] == "keep",
            let base = try? String(contentsOfFile: directory.appending("base-output").string, encoding: .utf8),
            let overlay = try? String(contentsOfFile: directory.appending("overlay-output").string, encoding: .utf8)
        {
            // Tests of the last run have left files with names that those of this run use.
            for name in try Directory.names(in: directory)
            where !name.hasPrefix("guest.") && !["face", "home", "base-output", "overlay-output"].contains(name) {
                try FileSystem.remove(directory.appending(name))
            }
            return try described(directory, base: base, overlay: overlay)
        }
        try FileSystem.remove(directory)
        try Directory.create(directory)
        let disk = directory.appending("guest.raw")
        let environment = ["CLOUDLET_HOME": directory.appending("home").string]
        try require(try await Tool.run(Repository.script("make-guest"), ["-o", disk.string]))
        let base = try await Program.cloudlet(
            ["base", disk.string, "--memory", "256", "--until-port", "22"], environment: environment)
        try require(base)
        let hashes = try baseHashes(in: directory)
        let overlay = try await Program.cloudlet(
            [
                "overlay", disk.string, "-o", directory.appending("face").string, "--ready-port", "9876",
                "--provision", Repository.root.appending("Scripts/guest/install-face").string, "--ssh-key",
                disk.string + ".key", "--", "-redir", "tcp:9876::9876",
            ], environment: environment.merging(["FACE_KEY": disk.string + ".key"]) { $1 })
        try require(overlay)
        let (baseText, overlayText) = (base.output, overlay.output + overlay.errors)
        try baseText.write(toFile: directory.appending("base-output").string, atomically: true, encoding: .utf8)
        try overlayText.write(toFile: directory.appending("overlay-output").string, atomically: true, encoding: .utf8)
        return try described(directory, base: baseText, overlay: overlayText, hashes: hashes)
    }

    private static func described(
        _ directory: FilePath, base: String, overlay: String, hashes: [String: SHA256Digest]? = nil
    ) throws -> Chain {
        Chain(
            directory: directory, disk: directory.appending("guest.raw"), overlay: directory.appending("face"),
            baseOutput: base, overlayOutput: overlay, before: try FaceAnswer(in: overlay),
            baseHashes: try hashes ?? baseHashes(in: directory))
    }

    /// The hashes of all files of the base VM in a directory, as they are now.
    private static func baseHashes(in directory: FilePath) throws -> [String: SHA256Digest] {
        var hashes: [String: SHA256Digest] = [:]
        for name in try Directory.names(in: directory) where name.hasPrefix("guest.") && !name.contains("key") {
            let file = try File(directory.appending(name), .read)
            var hasher = SHA256Hasher()
            for range in pieces(of: 0..<(try file.size()), length: 1 << 20) {
                let bytes = try file.read(range.count, at: range.lowerBound)
                hasher.update(bytes.span)
            }
            hashes[name] = hasher.finalize()
        }
        return hashes
    }

    private static func require(_ result: Tool.Result) throws {
        guard result.status == 0 else {
            throw CloudletError(.defect, "status \(result.status): \(result.errors)\(result.output)")
        }
    }
}

/// The demo application's answer.
struct FaceAnswer: Sendable, Decodable {
    /// Counts in RAM, ten times a second.
    let count: Int
    /// Made at the application's start, only in RAM.
    let token: String
    /// A line of a file that is only on the overlay's disk.
    let disk: String
    /// A line of a file that is only in memory; `nil` after a boot.
    let tmpfs: String?
    /// The guest's clock, in seconds since 1970.
    let time: Int
    /// 16 bytes of the guest's random generator, drawn for this answer.
    let random: String

    init(count: Int, token: String, disk: String, tmpfs: String?, time: Int = 0, random: String = "") {
        self.count = count
        self.token = token
        self.disk = disk
        self.tmpfs = tmpfs
        self.time = time
        self.random = random
    }

    /// Finds the answer in what a program printed.
    init(in text: String) throws {
        guard let start = text.firstRange(of: "{\"app\":\"face\"")?.lowerBound,
            let end = text[start...].firstIndex(of: "}")
        else { throw CloudletError(.badData, "no answer of the application in: \(text)") }
        self = try JSONDecoder().decode(FaceAnswer.self, from: Data(text[start...end].utf8))
    }

    /// Whether this is the same running application, further on.
    func continues(_ earlier: FaceAnswer) -> Bool {
        token == earlier.token && disk == earlier.disk && tmpfs != nil && tmpfs == earlier.tmpfs
            && count >= earlier.count
            && count < earlier.count + 600
    }
}

/// The programs under test.
enum Program {
    static func path(_ name: String) -> String { Repository.programs.appending(name).string }

    static func cloudlet(
        _ arguments: [String], environment: [String: String], input: String = ""
    ) async throws -> Tool.Result {
        try await Tool.run(path("cloudlet"), arguments, environment: environment, input: input)
    }
}

/// What running real guests needs.
enum EndToEndRequirements {
    /// What is missing here; empty when nothing is.
    static let missing: [String] = {
        let tools = ["qemu-system-x86_64", "qemu-img", "mmdebstrap", "ssh"]
        return tools.filter { !LanLab.isInstalled($0) } + (geteuid() == 0 ? [] : ["root"])
    }()
}
