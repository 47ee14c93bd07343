// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Hosts in network namespaces, made by Scripts/lan-lab for one test, that run the real programs.
struct EndToEndLab: Sendable {
    private let lan: LanLab

    static func with<Value>(
        hosts: Int, avahi: Bool = true, _ body: (EndToEndLab) async throws -> Value
    ) async throws -> Value {
        try await LanLab.with(hosts: hosts, avahi: avahi) { try await body(EndToEndLab(lan: $0)) }
    }

    /// The address of a host.
    static func address(_ host: Int) -> String { "10.77.0.\(host + 1)" }

    /// Runs a verb of Scripts/lan-lab.
    @discardableResult func script(_ arguments: [String]) async throws -> String { try await lan.script(arguments) }

    /// Runs a program on a host to its end.
    func run(_ host: Int, _ command: [String], environment: [String: String] = [:]) async throws -> Tool.Result {
        try await Tool.run(
            Repository.script("lan-lab"),
            ["exec", String(host), "timeout", "90", "env"] + environment.map { "\($0)=\($1)" } + command,
            environment: lan.environment)
    }

    /// Runs a program on a host while `body` runs. `before` is what the shell that becomes the program does first.
    func with<Value: Sendable>(
        _ host: Int, _ command: [String], environment: [String: String], log: FilePath, before: String? = nil,
        _ body: @escaping @Sendable (BackgroundProgram) async throws -> Value
    ) async throws -> (value: Value, status: Int32) {
        try await Tool.with(
            Repository.script("lan-lab"),
            ["exec", String(host), "env"] + environment.map { "\($0)=\($1)" }
                + (before.map { ["sh", "-ec", "\($0)\nexec \"$@\"", "sh"] } ?? []) + command,
            environment: lan.environment, log: log
        ) { lab in
            // The lab's own processes come first; the program is the last of the line.
            let program = BackgroundProgram(pid: try await Self.program(command[0], below: lab.pid), log: log)
            let result: Result<Value, any Error>
            do { result = .success(try await body(program)) } catch { result = .failure(error) }
            program.send(SIGTERM)
            // The lab's own process ends by itself a moment after the program, with its status.
            _ = try await poll(every: .milliseconds(50), for: .seconds(60)) { () throws(CloudletError) in
                !lab.isRunning
            }
            return try result.get()
        }
    }

    /// Waits for the process that runs `path` below another.
    private static func program(_ path: String, below parent: Int32) async throws -> Int32 {
        var found: Int32?
        try await until(5, "\(path) did not start in the lab") {
            found = running(path, below: parent)
            return found != nil
        }
        return try #require(found)
    }

    private static func running(_ path: String, below parent: Int32) -> Int32? {
        var pid = parent
        while let child = children(of: pid).first {
            pid = child
            let command = (try? File(FilePath("/proc/\(pid)/cmdline"), .read).read(4096, at: 0)) ?? []
            if command.starts(with: Array(path.utf8) + [0]) { return pid }
        }
        return nil
    }

    private static func children(of pid: Int32) -> [Int32] {
        let bytes = (try? File(FilePath("/proc/\(pid)/task/\(pid)/children"), .read).read(4096, at: 0)) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
    }
}
