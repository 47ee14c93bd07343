// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem

/// `cloudlet list-vm`: lists the VMs that `cloudlet synthesis --detach` left running.
struct ListVMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-vm", abstract: "List the VMs left running by 'synthesis --detach'.", aliases: ["list_vm"])

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    /// One VM in JSON.
    private struct Entry: Encodable {
        let name: String
        let process: Int32
        let forwards: [String]
    }

    func run() async throws {
        let machines = try DetachedVM.all(under: try CloudletHome.current().hypervisors)
        switch format {
        case .json:
            try Console.json(machines.map { Entry(name: $0.name, process: $0.process, forwards: $0.forwards) })
        case .table:
            var table = TextTable("NAME", "PROCESS", "FORWARDS")
            for machine in machines {
                table.add(machine.name, String(machine.process), machine.forwards.joined(separator: ", "))
            }
            Console.result(table.text)
        }
    }
}

/// `cloudlet stop-vm NAME`: ends a VM that was left running.
struct StopVMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop-vm", abstract: "End a VM left running by 'synthesis --detach'.", aliases: ["stop_vm"])

    @Argument(help: "The VM's name, as list-vm shows it.")
    var name: String

    func run() async throws {
        let home = try CloudletHome.current()
        let machine = try DetachedVM.all(under: home.hypervisors).first { $0.name == name }
        let root = try HypervisorRoot(of: name, under: home.hypervisors)
        let hypervisor = try await Hypervisor.open(root, uri: machine?.uri, accelerator: .tcg)
        try await hypervisor.tearDown(name)
        Console.result("VM \(name) has ended")
    }
}
