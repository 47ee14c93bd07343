// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem

/// Which saved VMs can be resumed or booted on this host.
extension Hypervisor {
    /// Checks, without starting an emulator, whether a saved state of this machine can be resumed on this host: it needs
    /// the accelerator, the machine type and the CPU model with which it was saved. Otherwise the disk may be booted.
    /// - Returns: what is possible. That the default CPU model lacks features is noticed only when an emulator starts.
    /// - Throws: `CloudletError` when libvirt can't be asked.
    package func support(of machine: MachineDescription) async throws(CloudletError) -> MachineSupport {
        let models = try await cpuModels(of: machine.machineType)
        let reason: CloudletError
        if let refusal = refusalOfAccelerator(machine) {
            reason = refusal
        } else if case .failure(let error) = models {
            reason = error
        } else if case .success(let known) = models, let refusal = refusal(of: machine.cpuModel, among: known) {
            reason = refusal
        } else {
            return .resumes
        }
        guard let substitute = try await substitute(for: machine, models) else { return .refused(reason) }
        return .boots(SubstituteMachine(machine: substitute, reason: reason))
    }

    /// The machine of this host that is most similar to a saved one: the same but for the accelerator and, where this
    /// host does not have the saved ones, the machine type (the newest of the same family) and the CPU model (the
    /// default). A CPU model of which only features are missing stays: a guest that boots finds out which features there
    /// are.
    private func substitute(
        for machine: MachineDescription, _ models: Result<[String: Bool], CloudletError>
    ) async throws(CloudletError) -> MachineDescription? {
        var substitute = machine
        substitute.accelerator = accelerator
        var models = models
        if case .failure = models {
            guard let newest = MachineDescription.newestType(inFamilyOf: machine.machineType),
                case .success(let document) = try await capabilities(of: newest)
            else { return nil }
            substitute.machineType = try DomainDescriptionReader.machineType(in: document)
            models = .success(try DomainDescriptionReader.cpuModels(in: document))
        }
        guard case .success(let known) = models else { return nil }
        if machine.cpuModel != MachineDescription.defaultCPUModel, known[machine.cpuModel] == nil {
            substitute.cpuModel = MachineDescription.defaultCPUModel
        }
        return substitute
    }

    /// The CPU models that QEMU knows on this host, and whether each can be used; or why there is no such machine type.
    private func cpuModels(
        of machineType: String
    ) async throws(CloudletError) -> Result<[String: Bool], CloudletError> {
        switch try await capabilities(of: machineType) {
        case .success(let document): return .success(try DomainDescriptionReader.cpuModels(in: document))
        case .failure(let error): return .failure(error)
        }
    }

    /// What QEMU offers to a guest of a machine type, as XML, or why there is no such type on this host.
    func capabilities(of machineType: String) async throws(CloudletError) -> Result<String, CloudletError> {
        try await blocking { [connection, accelerator] () throws(CloudletError) in
            try connection.domainCapabilities(machineType: machineType, accelerator)
        }
    }

    private func refusal(of cpuModel: String, among known: [String: Bool]) -> CloudletError? {
        guard cpuModel != MachineDescription.defaultCPUModel, known[cpuModel] != true, !known.isEmpty else {
            return nil
        }
        let what = known[cpuModel] == nil ? "has no CPU model" : "lacks features of the CPU model"
        return CloudletError(
            .unavailable, "this host \(what) '\(cpuModel)' under \(accelerator.rawValue)",
            advice: "use a base VM that was made on a host like this one, or with the default CPU model")
    }

    /// The error for a machine with another accelerator than this host's.
    func refusalOfAccelerator(_ machine: MachineDescription) -> CloudletError? {
        guard machine.accelerator != accelerator else { return nil }
        return CloudletError(
            .unavailable,
            "the VM was made under \(machine.accelerator.rawValue), this host runs \(accelerator.rawValue)",
            advice: "make a base VM on this host, or use a host like the one it was made on")
    }
}
