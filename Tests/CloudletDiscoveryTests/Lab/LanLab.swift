import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage

/// A LAN of a few hosts in network namespaces, made by Scripts/lan-lab for one test.
struct LanLab: Sendable {
    private let directory: String
    private let prefix: String

    /// What is missing here to make one; empty when nothing is.
    static let missing: [String] = {
        var missing = geteuid() == 0 ? [] : ["root"]
        let tools = [
            "ip", "unshare", "nsenter", "dbus-daemon", "avahi-daemon", "avahi-browse", "gssdp-discover", "python3",
            "ss",
        ]
        let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        for tool in tools where !places.contains(where: { unsafe access("\($0)/\(tool)", X_OK) == 0 }) {
            missing.append(tool)
        }
        if missing.isEmpty, unsafe access("/proc/self/ns/net", R_OK) != 0 { missing.append("network namespaces") }
        return missing
    }()

    /// The reason for leaving a test out.
    static var reason: String { "needs \(missing.joined(separator: ", "))" }

    /// Makes a LAN of `hosts` hosts, numbered from 1, for the duration of `body`.
    static func with<Value>(
        hosts: Int, avahi: Bool = true, _ body: (LanLab) async throws -> Value
    ) async throws -> Value {
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
    /// - Returns: what it prints.
    @discardableResult func script(_ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .path(Self.root.appending("Scripts").appending("lan-lab")), arguments: Arguments(arguments),
            environment: .inherit.updating(["LAB_DIR": directory, "LAB_PREFIX": prefix]),
            output: .string(limit: 4 << 20),
            error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess || arguments.first == "exec" else {
            throw LabFailure(description: "lan-lab \(arguments): \(result.standardError)")
        }
        return result.standardOutput
    }

    /// Runs a command on a host.
    func run(_ host: Int, _ command: [String]) async throws -> String {
        try await script(["exec", String(host), "timeout", "20"] + command)
    }

    /// Starts a node (`discovery-host node`) on a host and waits until it answers.
    func startNode(_ host: Int, _ arguments: [String] = [], name: String = "node", at address: String? = nil)
        async throws
    {
        try await script(["bg", String(host), name, Self.executable.string, "node"] + arguments)
        let address = address ?? "10.77.0.\(host + 1)"
        try await until(10, "node on h\(host) did not start") {
            try await run(host, ["curl", "-s", "-m", "1", "http://\(address):8080/v1/node"]).contains("synthesis_port")
        }
    }

    /// Searches from a host.
    func find(_ host: Int, _ arguments: [String] = []) async throws -> Search {
        Search(output: try await run(host, [Self.executable.string, "find"] + arguments))
    }

    /// Starts an endless search on a host; `watched` shows what it said.
    func watch(_ host: Int) async throws {
        try await script(["bg", String(host), "watch", Self.executable.string, "find", "--watch", "60", "--check", "1"])
    }

    /// What the endless search on a host has said so far.
    func watched(_ host: Int) async throws -> Search {
        Search(output: try await script(["log", String(host), "watch"]))
    }

    /// Records the SSDP that a host hears on an interface; `heard` shows it.
    func listen(_ host: Int, _ interface: String) async throws {
        let name = "ssdp-\(interface)"
        try await script([
            "bg", String(host), name, "tcpdump", "-l", "-n", "-A", "-i", interface, "udp", "port", "1900",
        ])
        try await until(5, "tcpdump did not start") {
            try await script(["log", String(host), name]).contains("listening on")
        }
    }

    /// The SSDP that a host has heard on an interface.
    func heard(_ host: Int, _ interface: String) async throws -> String {
        try await script(["log", String(host), "ssdp-\(interface)"])
    }

    /// Sends an SSDP datagram from a host and collects what comes back for `seconds`.
    func probe(
        _ host: Int, to destination: String, _ text: String, count: Int = 1, from source: String = "", port: Int = 0,
        seconds: Double = 0.5
    ) async throws -> [Answer] {
        let script = Self.root.appending("Tests").appending("CloudletDiscoveryTests").appending("Lab").appending(
            "probe.py")
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

    /// What came back to a probe.
    struct Answer: Sendable {
        let address: String
        let port: Int
        let text: String
    }

    private static let root: FilePath = {
        var path = FilePath(#filePath)
        for _ in 0..<4 { path.removeLastComponent() }
        return path
    }()

    /// The program that lies beside the tests.
    private static let executable: FilePath = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var path = FilePath(bundle.prefix { $0 != "\0" }.description)
        while let last = path.lastComponent?.string, !path.isEmpty {
            path.removeLastComponent()
            if last.hasSuffix(".xctest") { break }
        }
        return path.appending("discovery-host")
    }()
}

/// What a search printed.
struct Search: Sendable {
    let output: String

    /// One event.
    struct Event: Sendable {
        let microseconds: Int
        let sign: String
        let json: String
        func has(_ text: String) -> Bool { json.contains(text) }
    }

    /// The events in order.
    var events: [Event] {
        output.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 3).map(String.init)
            guard parts.count >= 3, parts[1] == "us", let time = Int(parts[0]) else { return nil }
            return Event(microseconds: time, sign: parts[2], json: parts.count > 3 ? parts[3] : "")
        }
    }

    /// The ids of nodes reported as found, in order, repetitions included.
    var found: [String] { events.filter { $0.sign == "+" }.compactMap { Self.value("id", in: $0.json) } }
    /// The ids of nodes reported as lost.
    var lost: [String] { events.filter { $0.sign == "-" }.compactMap { Self.value("id", in: $0.json) } }
    /// What the last event about a node said.
    func last(_ id: String) -> String { events.last { $0.has(id) }?.json ?? "" }

    private static func value(_ key: String, in json: String) -> String? {
        json.split(separator: "\"\(key)\":\"", maxSplits: 1).dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
    }
}

/// A lab that could not do what a test wants.
struct LabFailure: Error, CustomStringConvertible {
    let description: String
}

/// Waits until `condition` holds.
/// - Returns: how long it took.
/// - Throws: `LabFailure` with `message` after `seconds`.
@discardableResult func until(
    _ seconds: Double, _ message: String, _ condition: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds) {
        if try await condition() { return ContinuousClock.now - start }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw LabFailure(description: message)
}

extension String {
    /// How often `part` occurs.
    func components(_ part: String) -> Int { split(separator: part, omittingEmptySubsequences: false).count - 1 }
}
