// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// The virtual CPUs of a VM.
extension VirtualMachine {
    /// A virtual CPU as QEMU reports it (`query-cpus-fast`).
    struct VirtualCPU: Decodable, Sendable {
        /// The thread that executes it.
        let thread: Int
        /// Its name among QEMU's objects.
        let path: String

        enum CodingKeys: String, CodingKey {
            case thread = "thread-id"
            case path = "qom-path"
        }
    }

    /// The virtual CPUs. They stay the same as long as the emulator runs.
    func virtualCPUs() throws(CloudletError) -> [VirtualCPU] {
        if let knownVirtualCPUs { return knownVirtualCPUs }
        let list = try query("query-cpus-fast", as: [VirtualCPU].self)
        knownVirtualCPUs = list
        return list
    }

    /// The error for a VM whose CPU lacks features of its model, which names the features; `nil` if it lacks none. QEMU
    /// starts such a VM with a warning in its log. Programs in a resumed guest that have found the features before, on
    /// another host, would end with illegal instructions.
    /// - Throws: `CloudletError` when QEMU can't be asked.
    package func refusalOfCPU() throws(CloudletError) -> CloudletError? {
        guard let path = try virtualCPUs().first?.path else { return nil }
        let missing = try query(
            "qom-get", ObjectProperty(path: path, property: "unavailable-features"), as: [String].self)
        return machine.refusal(missing: missing)
    }
}

extension MachineDescription {
    /// The error for a VM that lacks features of its CPU model; `nil` when it lacks none.
    func refusal(missing: [String]) -> CloudletError? {
        guard !missing.isEmpty else { return nil }
        let who = accelerator == .kvm ? "this host's processor (with KVM)" : "QEMU's emulation"
        let names = missing.map { $0.displayable(limit: 40) }.joined(separator: ", ").displayable(limit: 600)
        let other =
            cpuModel == Self.defaultCPUModel
            ? "with an older CPU model, such as 'cloudlet base --cpu-model qemu64'"
            : "with another CPU model, such as 'cloudlet base --cpu-model \(Self.defaultCPUModel)'"
        let count = missing.count == 1 ? "1 feature" : "\(missing.count) features"
        return CloudletError(
            .unavailable, "\(who) lacks \(count) of the CPU model '\(cpuModel)': \(names)",
            advice: "use a host that has them, or a base VM \(other)")
    }
}
