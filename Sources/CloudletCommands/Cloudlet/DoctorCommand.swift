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
        commandName: "doctor", abstract: "Examine whether this machine can be a node, and say what to do if not.",
        discussion: "Tries what a node does: runs a guest under KVM, opens libvirt, looks at base VMs, space, network "
            + "and ports. Ends with 69 when something fails, with 0 otherwise.")

    @Option(help: "Configuration file; default CLOUDLET_HOME/cloudlet.yaml.", completion: .file())
    var config: String?

    @Option(help: "table or json.")
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
