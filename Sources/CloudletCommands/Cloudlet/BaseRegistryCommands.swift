// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletNode
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Foundation
import SystemPackage

/// `cloudlet list-base`: lists the base VMs of this machine.
struct ListBaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-base", abstract: "List the base VMs.", aliases: ["list_base"])

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    /// One base VM in JSON.
    private struct Entry: Encodable {
        let hash: String
        let path: String
        let memoryHash: String
        let diskBytes: Int
        let memoryBytes: Int
        let accelerator: String
        let created: Date
        let state: String
        /// Why it can't be resumed on this machine.
        let reason: String?

        enum CodingKeys: String, CodingKey {
            case hash, path, accelerator, created, state, reason
            case memoryHash = "memory_hash"
            case diskBytes = "disk_bytes"
            case memoryBytes = "memory_bytes"
        }
    }

    func run() async throws {
        let home = try CloudletHome.current()
        let registry = try Registry.forCommand(home.database)
        let support = try? await Self.support(home)
        var bases: [(base: BaseVM, state: State)] = []
        for base in try registry.bases() { bases.append((base, await Self.state(of: base, registry, support))) }
        for disk in try registry.damaged() {
            let removal = Shell.command("cloudlet", "del-base", disk.string)
            Console.note("the registry entry for \(disk) is damaged; to remove it, run: \(removal)")
        }
        switch format {
        case .json:
            try Console.json(
                bases.map { (base, state) in
                    Entry(
                        hash: base.hash.hex, path: base.files.disk.string, memoryHash: base.memoryHash.hex,
                        diskBytes: base.diskBytes, memoryBytes: base.memoryBytes, accelerator: base.accelerator,
                        created: Date(timeIntervalSince1970: Double(base.created)), state: state.word,
                        reason: state.reason)
                })
        case .table:
            var table = TextTable("HASH", "DISK", "MEMORY", "ACCELERATOR", "STATE", "PATH")
            for (base, state) in bases {
                table.add(
                    base.hash.hex, ByteCount(base.diskBytes).description, ByteCount(base.memoryBytes).description,
                    base.accelerator, state.shown, base.files.disk.string)
            }
            Console.result(table.text)
            for (base, state) in bases {
                guard let reason = state.reason else { continue }
                let what = state.word == State.bootOnly ? "can only boot here" : "can't run here"
                Console.note("\(base.files.disk) \(what): \(reason)")
            }
        }
    }

    /// Whether a base VM can be used.
    private struct State {
        /// `ok`, `missing`, `damaged`, `boot only` or `unsupported`.
        let word: String
        /// Why it can't be resumed on this machine, if that is so.
        var reason: String?

        static let bootOnly = "boot only"

        /// The state in the table.
        var shown: String { word == Self.bootOnly ? "can only boot" : word }

        static func word(for support: MachineSupport) -> String {
            switch support {
            case .resumes: "ok"
            case .boots: bootOnly
            case .refused: "unsupported"
            }
        }
    }

    private static func support(_ home: CloudletHome) async throws -> HostSupport {
        let source = try await ConfigurationSource(
            options: [:], environment: ProcessInfo.processInfo.environment, file: home.configuration, isNamed: false)
        return HostSupport(configuration: try NodeConfiguration(source), home: home)
    }

    private static func state(of base: BaseVM, _ registry: Registry, _ support: HostSupport?) async -> State {
        do {
            let open = try await OpenBase.open(base, in: registry)
            // If the node's configuration is not valid or the host can't be asked, nothing is known against the base VM.
            let verdict = try? await support?.support(of: open.machine)
            return State(word: verdict.map(State.word(for:)) ?? "ok", reason: verdict?.refusal?.description)
        } catch {
            let isMissing = (error.cause as? CloudletError)?.code == .notFound || error.code == .notFound
            return State(word: isMissing ? "missing" : "damaged")
        }
    }
}

/// `cloudlet add-base DISK [HASH]`: registers a base VM whose files were copied from elsewhere.
struct AddBaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add-base", abstract: "Register a base VM whose files were made elsewhere.", aliases: ["add_base"])

    @Argument(help: "The base VM's disk; its other files must be in the same directory.", completion: .file())
    var disk: String

    @Argument(
        help:
            "Expected SHA-256 hash of the disk, which is read as a whole. Without it, the manifest (NAME.base-seal) is trusted."
    )
    var hash: String?

    func run() async throws {
        let home = try CloudletHome.current()
        let registry = try Registry(home.database)
        var expected: SHA256Digest?
        if let hash {
            guard let digest = SHA256Digest(hex: hash) else {
                throw CloudletError(
                    .usage, "'\(hash.displayable(limit: 80))' is not the hash of a base VM",
                    advice: "give 64 hexadecimal digits, or leave it out")
            }
            expected = digest
        }
        let path = try BaseFiles.locate(FilePath(disk))
        let base = try await BaseImport(registry: registry).add(path, expected: expected)
        Console.result("Base VM \(base.hash) is registered: \(base.files.disk)")
    }
}

/// `cloudlet del-base DISK`: removes a base VM from the registry.
struct DelBaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del-base", abstract: "Remove a base VM from the registry; its files are not deleted.",
        aliases: ["del_base"])

    @Argument(help: "The base VM's disk.", completion: .file())
    var disk: String

    func run() async throws {
        let registry = try Registry.forCommand(try CloudletHome.current().database)
        // If the disk no longer exists, the path is used as given.
        let path = (try? CloudletHome.resolve(FilePath(disk))) ?? CloudletHome.currentDirectory.pushing(FilePath(disk))
        if try registry.damaged().contains(path), try registry.removeDamaged(disk: path) {
            Console.result(
                "The damaged registry entry of \(path) is removed; to register the base VM again, run: "
                    + Shell.command("cloudlet", "add-base", path.string))
            return
        }
        guard let base = try registry.remove(disk: path) else {
            throw CloudletError(
                .notFound, "\(path) is not a registered base VM", advice: "see 'cloudlet list-base'")
        }
        if try !BaseImport.unprotect(base) {
            Console.note(
                "the mode of the disk is left unchanged, because its former mode is not known; to make it writable, run: "
                    + Shell.command("chmod", "u+w", base.files.disk.string))
        }
        Console.result("Base VM \(base.hash) is no longer registered; its files are not deleted: \(base.files.disk)")
    }
}
