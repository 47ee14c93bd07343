package import CloudletCore
import CloudletSystem

/// Which saved states can be resumed on this host.
extension Hypervisor {
    /// Checks, without starting an emulator, whether a saved state of this machine can be resumed on this host: it needs
    /// the accelerator, the machine type and the CPU model with which it was saved.
    /// - Returns: the reason why it can't; `nil` if it can. That the default CPU model lacks features is noticed only
    ///   when an emulator starts.
    /// - Throws: `CloudletError` when libvirt can't be asked.
    package func refusal(of machine: MachineDescription) async throws(CloudletError) -> CloudletError? {
        if let refusal = refusalOfAccelerator(machine) { return refusal }
        let answer = try await blocking { [connection, accelerator] () throws(CloudletError) in
            try connection.domainCapabilities(machineType: machine.machineType, accelerator)
        }
        let capabilities: String
        do throws(CloudletError) { capabilities = try answer.get() } catch { return error }
        guard try DomainDescriptionReader.unusableCPUModels(in: capabilities).contains(machine.cpuModel) else {
            return nil
        }
        return CloudletError(
            .unavailable,
            "this host lacks features of the CPU model '\(machine.cpuModel)' under \(accelerator.rawValue)",
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
