// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Glibc
package import SystemPackage

/// A LAN of a few hosts in network namespaces. Scripts/lan-lab makes it for one test.
package struct LanLab: Sendable {
    /// The directory of the lab's state: `hI/NAME.log`, `hI/home`.
    package let directory: String
    /// The first part of the names of its namespaces: `PREFIX-hI`, `PREFIX-sw`.
    package let prefix: String

    /// The environment that makes Scripts/lan-lab use this lab.
    package var environment: [String: String] {
        [
            "LAB_DIR": directory, "LAB_PREFIX": prefix, "LAB_NODE": "\(Self.program("discovery-host")) node",
            "LAB_FIND": "\(Self.program("discovery-host")) find",
        ]
    }

    /// Limits how many labs exist at once; more would slow each other down.
    private static let labs = AsyncSemaphore(6)

    /// What is missing on this machine for a lab; empty when nothing is.
    package static let missing: [String] = {
        var missing = geteuid() == 0 ? [] : ["root"]
        let tools = [
            "ip", "bridge", "unshare", "nsenter", "dbus-daemon", "avahi-daemon", "avahi-browse", "curl", "tcpdump",
            "nft", "ss",
        ]
        missing += tools.filter { !isInstalled($0) }
        if missing.isEmpty, unsafe access("/proc/self/ns/net", R_OK) != 0 { missing.append("network namespaces") }
        return missing
    }()

    /// The reason for skipping a test.
    package static var reason: String { "needs \(missing.joined(separator: ", "))" }

    /// Whether a program is installed.
    package static func isInstalled(_ tool: String) -> Bool {
        let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        return places.contains { unsafe access("\($0)/\(tool)", X_OK) == 0 }
    }

    /// Makes a LAN of `hosts` hosts, numbered from 1, and removes it after `body`.
    package static func with<Value>(
        hosts: Int, avahi: Bool = true, _ body: (LanLab) async throws -> Value
    ) async throws -> Value {
        try await labs.acquire()
        defer { labs.release() }
        let name = "t" + String(UInt32.random(in: 0...0xFFFFF), radix: 36)
        let lab = LanLab(directory: "/tmp/clab-\(name)", prefix: name)
        try await lab.script(["up", String(hosts)] + (avahi ? [] : ["--no-avahi"]))
        do {
            let result = try await body(lab)
            try await lab.script(["down"])
            return result
        } catch {
            _ = try? await lab.script(["down"])
            throw error
        }
    }

    /// Runs a verb of Scripts/lan-lab.
    /// - Returns: the output.
    @discardableResult package func script(_ arguments: [String]) async throws -> String {
        let result = try await Tool.run(Repository.script("lan-lab"), arguments, environment: environment)
        guard result.status == 0 || ["exec", "find"].contains(arguments[0]) else {
            throw LabFailure(description: "lan-lab \(arguments): \(result.errors)")
        }
        return result.output
    }

    /// Runs a command on a host.
    package func run(_ host: Int, _ command: [String]) async throws -> String {
        try await script(["exec", String(host), "timeout", "20"] + command)
    }

    /// Starts a node (`discovery-host node`) on a host and waits until it answers.
    package func startNode(_ host: Int, _ arguments: [String] = [], at address: String? = nil)
        async throws
    {
        try await script(["node", String(host)] + arguments)
        let address = address ?? "10.77.0.\(host + 1)"
        try await until(10, "node on h\(host) did not start") {
            try await run(host, ["curl", "-s", "-m", "1", "http://\(address):8022/v1/node"]).contains("synthesis_port")
        }
    }

    /// Searches from a host.
    package func find(_ host: Int, _ arguments: [String] = []) async throws -> Search {
        Search(output: try await script(["find", String(host)] + arguments))
    }

    /// Starts an endless search on a host; `watched` returns its output.
    package func watch(_ host: Int) async throws {
        try await script([
            "bg", String(host), "watch", Self.program("discovery-host").string, "find", "--watch", "60", "--check", "1",
        ])
    }

    /// The output so far of the endless search on a host.
    package func watched(_ host: Int) async throws -> Search {
        Search(output: try await script(["log", String(host), "watch"]))
    }

    /// Records the SSDP messages that a host receives on an interface; `heard` returns them.
    package func listen(_ host: Int, _ interface: String) async throws {
        let name = "ssdp-\(interface)"
        try await script([
            "bg", String(host), name, "tcpdump", "-l", "-n", "-A", "-i", interface, "udp", "port", "1900",
        ])
        try await until(5, "tcpdump did not start") {
            try await script(["log", String(host), name]).contains("listening on")
        }
    }

    /// The SSDP messages that a host has received on an interface.
    package func heard(_ host: Int, _ interface: String) async throws -> String {
        try await script(["log", String(host), "ssdp-\(interface)"])
    }

    /// Sends an SSDP datagram from a host and collects the answers for `seconds`.
    package func probe(
        _ host: Int, to destination: String, _ text: String, count: Int = 1, from source: String = "", port: Int = 0,
        seconds: Double = 0.5
    ) async throws -> [Answer] {
        let script = Repository.root.appending("Tests/CloudletTestSupport/probe.py")
        let arguments = [
            String(seconds), "eth0", destination, String(count), source.isEmpty ? "''" : source, String(port),
        ]
        let encoded = text.utf8.map { "\\0" + String(Int($0) + 512, radix: 8).suffix(3) }.joined()
        let line = "printf '%b' '\(encoded)' | python3 \(script) \(arguments.joined(separator: " "))"
        return try await run(host, ["sh", "-c", line]).split(separator: "@ ").map { piece in
            let fields = piece.prefix { $0 != "\n" }.split(separator: " ")
            return Answer(address: String(fields[0]), port: Int(fields[1]) ?? 0, text: String(piece))
        }
    }

    /// An answer to a probe.
    package struct Answer: Sendable {
        /// The sender's address.
        package let address: String
        /// The sender's port.
        package let port: Int
        /// The message.
        package let text: String
    }

    /// The path of a program that was built with the tests.
    package static func program(_ name: String) -> FilePath { Repository.programs.appending(name) }
}
