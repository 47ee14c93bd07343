// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletNode
import CloudletStore
import CloudletSystem
import Foundation
import SystemPackage

/// `cloudlet doctor`: checks whether this machine can be a node.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check whether this machine can be a node, and print how to fix problems.",
        discussion: "Runs a guest under KVM, opens a connection to libvirt, and checks base VMs, disk space, network "
            + "interfaces and ports. The exit status is 69 if a check fails, and 0 otherwise.")

    @Option(help: "Configuration file (default: CLOUDLET_HOME/cloudlet.yaml).", completion: .file())
    var config: String?

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    func run() async throws {
        let home = try CloudletHome.current(securing: false)
        let source = try await ConfigurationSource(
            options: [:], environment: ProcessInfo.processInfo.environment,
            file: config.map { FilePath($0) } ?? home.configuration, isNamed: config != nil)
        let findings = await Doctor(configuration: try NodeConfiguration(source), home: home).examine()
        switch format {
        case .json: try Console.json(findings)
        case .table:
            for finding in findings {
                Console.result(
                    "\(finding.state.rawValue.padding(toLength: 5, withPad: " ", startingAt: 0))"
                        + "\(finding.check): \(finding.detail)")
                if let fix = finding.fix { Console.result("     fix: \(fix)") }
            }
        }
        if findings.contains(where: { $0.state == .fail }) {
            throw ExitCode(CloudletError.Code.unavailable.exitStatus)
        }
    }
}
