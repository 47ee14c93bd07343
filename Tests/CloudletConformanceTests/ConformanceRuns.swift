// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletConformance
import CloudletTestSupport
import FoundationEssentials
import SystemPackage

/// Runs of the conformance suite, each in a lab of its own, all at once: they mostly wait. The tests look at what came
/// out.
actor ConformanceRuns {
    static let shared = ConformanceRuns()

    /// What is checked; what takes longest comes first, as not all get a lab at once.
    enum Device: String, CaseIterable {
        case bad, libupnp, native, gupnpDevice = "gupnp", libupnpDevice = "libupnp-1.8.4", repeats
    }

    struct Run: Sendable {
        let report: ConformanceReport
        let status: Int32

        /// The requirements with a verdict.
        func requirements(_ verdict: RequirementResult.Verdict) -> [String] {
            report.findings.filter { $0.verdict == verdict }.map(\.id)
        }

        /// What was seen of these requirements.
        func evidence(_ names: some Sequence<String>) -> String {
            let names = Set(names)
            return report.findings.filter { names.contains($0.id) }.map {
                "\n\($0.id) \($0.verdict.rawValue): \($0.evidence)"
            }
            .joined()
        }
    }

    private var tasks: [Device: Task<Run, any Error>] = [:]

    /// The outcome of a run; the first call starts all of them.
    func run(_ device: Device) async throws -> Run {
        if tasks.isEmpty {
            for device in Device.allCases { tasks[device] = Task { try await Self.make(device) } }
        }
        guard let task = tasks[device] else { throw LabFailure(description: "no run of \(device)") }
        return try await task.value
    }

    /// Where the findings about a foreign device are kept. With CLOUDLET_KEEP_FINDINGS in the environment they are made
    /// anew.
    static func fixture(_ device: Device) -> FilePath {
        Repository.root.appending("Tests/CloudletConformanceTests/Findings/\(device.rawValue).json")
    }

    private static func make(_ device: Device) async throws -> Run {
        try await LanLab.with(hosts: 2, avahi: [.native, .libupnp].contains(device)) { lab in
            var arguments: [String]
            switch device {
            case .native, .libupnp:
                try await lab.moreNetworks(1, 2)
                try await lab.startNode(
                    1, ["--id", "11111111-1111-4111-8111-111111111111", "--name", "Test", "--engine", device.rawValue])
                // Its announcements by mDNS are over then, and not taken for answers.
                try await Task.sleep(for: .seconds(4))
                arguments = ["--second", "eth1", "--quiet", "eth2"] + lab.hook("rename", "say 1 node \"name $NAME\"")
            case .repeats:
                try await lab.startNode(1, ["--max-age", "10", "--no-mdns"])
                arguments = ["--only", "A07", "--patience", "22"]
            case .gupnpDevice, .libupnpDevice:
                let name = device == .gupnpDevice ? "gupnp-device" : "libupnp-device"
                let devices = Repository.root.appending("Tests/CloudletConformanceTests/Devices")
                let command = "bg 1 node '\(devices.appending(name))' eth0 '\(devices)'"
                try await lab.script(["bg", "1", "node", devices.appending(name).string, "eth0", devices.string])
                arguments = ["--type", "urn:schemas-upnp-org:device:ForeignNode:2"] + lab.hook("start", command)
            case .bad:
                // The host that checks has avahi, which is to see the fault too.
                try await lab.script(["avahi-start", "2"])
                arguments = try await bad(lab)
            }
            let result = try await lab.conformance(from: 2, of: 1, arguments)
            let file = FilePath(lab.directory).appending("findings.json")
            guard let bytes = try? Data(contentsOf: file) else { throw LabFailure(description: result.errors) }
            if ProcessInfo.processInfo.environment["CLOUDLET_KEEP_FINDINGS"] != nil,
                [.gupnpDevice, .libupnpDevice].contains(device)
            {
                // Nothing of this machine and this lab is kept.
                let text = String(decoding: bytes, as: UTF8.self)
                    .replacing(Repository.programs.string, with: "CHECKOUT/.build/debug")
                    .replacing(Repository.root.string, with: "CHECKOUT").replacing(lab.directory, with: "LAB")
                try text.write(toFile: fixture(device).string, atomically: true, encoding: .utf8)
            }
            return Run(report: try JSONDecoder().decode(ConformanceReport.self, from: bytes), status: result.status)
        }
    }

    /// A device that does everything wrong, and hooks and a finder that do the same.
    private static func bad(_ lab: LanLab) async throws -> [String] {
        try await lab.moreNetworks(1, 2)
        let program = Repository.root.appending("Tests/CloudletConformanceTests/Devices/bad-device").string
        let start = ["bg", "1", "node", program, "10.77.0.2", "10.78.0.2", "172.17.0.1"]
        try await lab.script(start)
        let isRunning = "kill -0 $(cat '\(lab.directory)/h1/node.pid') 2>/dev/null"
        func signal(_ hook: String, _ name: String) -> [String] {
            ["--hook", "\(hook)=kill -\(name) $(cat '\(lab.directory)/h1/node.pid')"]
        }
        let nothing = ["readdr", "renic", "twin", "untwin", "responder", "mend"].flatMap { ["--hook", "\($0)=true"] }
        let deaf = ["cut", "neighbour", "attack"].flatMap { signal($0, "USR2") }
        let finder =
            #"echo 44444444-4444-4444-8444-444444444444; printf '44444444-4444-4444-8444-444444444444 \033[31m\n'"#
        return [
            "--type", "urn:schemas-upnp-org:device:BadNode:2", "--service", "_Bad_service_with_a_name._tcp",
            "--second", "eth1", "--quiet", "eth2", "--patience", "9", "--finder", finder,
            "--hook", "memory=date +%s | tail -c 5 | sed 's/$/0000/'",
        ] + nothing + deaf + ["--hook", "start=\(isRunning) || \(lab.command) \(start.joined(separator: " "))"]
            + signal("rename", "HUP")
            + signal("kill", "USR1")
    }
}

extension Data {
    init(contentsOf file: FilePath) throws { try self.init(contentsOf: URL(filePath: file.string)) }
}
