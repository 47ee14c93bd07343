// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension LanLab {
    /// Runs the conformance suite from one host against the device on another.
    /// - Returns: the exit status and the output. `findings.json` in the lab's directory contains the findings.
    package func conformance(from host: Int, of node: Int, _ arguments: [String] = []) async throws -> Tool.Result {
        try await Tool.run(
            Repository.script("lan-lab"),
            ["conformance", String(host), String(node), "--json", "\(directory)/findings.json"] + arguments,
            environment: environment)
    }

    /// A shell command that runs Scripts/lan-lab for this lab.
    package var command: String { "LAB_DIR='\(directory)' LAB_PREFIX='\(prefix)' '\(Repository.script("lan-lab"))'" }

    /// Arguments for a hook that runs a verb of the script.
    package func hook(_ name: String, _ verb: String) -> [String] { ["--hook", "\(name)=\(command) \(verb)"] }

    /// Connects two hosts by a second network and by a third one, which looks like a container network on the first
    /// host and is eth2 on the second.
    package func moreNetworks(_ one: Int, _ other: Int) async throws {
        for host in [one, other] { try await script(["second-nic", String(host)]) }
        let (first, second) = ("\(prefix)-h\(one)", "\(prefix)-h\(other)")
        let commands = [
            "ip link add docker0 netns \(first) type veth peer name eth2 netns \(second)",
            "ip -n \(first) addr add 172.17.0.1/16 dev docker0", "ip -n \(first) link set docker0 up",
            "ip -n \(second) addr add 172.17.0.2/16 dev eth2", "ip -n \(second) link set eth2 up",
        ]
        let result = try await Tool.run("sh", ["-ec", commands.joined(separator: "\n")])
        guard result.status == 0 else { throw LabFailure(description: result.errors) }
    }
}
