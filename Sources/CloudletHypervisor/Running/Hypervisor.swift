// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMarkup
import CloudletSystem
import Glibc
package import SystemPackage

/// Starts VMs, finds them by name and ends them.
package final class Hypervisor: Sendable {
    let connection: LibvirtConnection
    let root: HypervisorRoot
    let isEmbedded: Bool
    private let securityLabels: [MarkupElement]
    let care: VMCare.Running
    let ending: Ending
    /// The accelerator that executes guest code on this host.
    package let accelerator: MachineDescription.Accelerator

    private init(
        connection: LibvirtConnection, root: HypervisorRoot, isEmbedded: Bool, labels: [MarkupElement],
        accelerator: MachineDescription.Accelerator, ending: @escaping Ending,
        note: @escaping @Sendable (VMIncident) -> Void
    ) {
        self.connection = connection
        self.root = root
        self.isEmbedded = isEmbedded
        securityLabels = labels
        self.accelerator = accelerator
        self.ending = ending
        care = VMCare.begin(
            connection, isOurs: { Self.isOurs($0, root, isEmbedded) }, workDirectory: root.workDirectory, note: note)
    }

    /// Opens the hypervisor.
    /// - Parameters:
    ///   - root: the directory for the state and scratch files of this process.
    ///   - uri: a libvirt daemon to use; `nil` for a driver inside this process.
    ///   - accelerator: the accelerator that executes guest code; see `AcceleratorProbe`.
    ///   - ending: ends the VMs of failed launches and those that were left behind. By default, a VM that can't be
    ///     ended is left to the next process that uses the directory.
    ///   - note: receives incidents of VMs.
    /// - Returns: the hypervisor.
    /// - Throws: `CloudletError.unavailable` when libvirt can't be used.
    package static func open(
        _ root: HypervisorRoot, uri: String? = nil, accelerator: MachineDescription.Accelerator,
        ending: @escaping Ending = { _, end in (try? await end()) != nil },
        note: @escaping @Sendable (VMIncident) -> Void = { _ in }
    ) async throws(CloudletError) -> Hypervisor {
        try await blocking { () throws(CloudletError) in
            if uri == nil {
                root.giveRoom()
                try DriverState(root: root.directory, name: root.driverPath).removeStale()
            }
            try EmulatorLog.prune(root.directory)
            let connection = try LibvirtConnection(
                uri: uri ?? root.uri, log: root.driverLog.string, keeping: root.handle,
                processFiles: uri == nil ? DriverState.statusDirectory(of: root.directory) : nil)
            if uri == nil { root.keepRoom() }
            let models = uri == nil ? [] : try DomainDescriptionReader.securityModels(in: connection.capabilities())
            return Hypervisor(
                connection: connection, root: root, isEmbedded: uri == nil, labels: models.map(Self.label),
                accelerator: accelerator, ending: ending, note: note)
        }
    }

    /// The directory that contains the scratch directory of each VM, which has the VM's name.
    package var workDirectory: FilePath { root.workDirectory }

    /// A label that makes a libvirt daemon run the emulator as this user and leave our files unchanged.
    private static func label(for model: String) -> MarkupElement {
        guard model == "dac" else { return MarkupElement("seclabel", attributes: ["type": "none", "model": model]) }
        return MarkupElement(
            "seclabel", attributes: ["type": "static", "model": "dac", "relabel": "no"],
            children: [MarkupElement("label", text: "+\(geteuid()):+\(getegid())")])
    }

    /// A new name for a VM.
    package func newName() -> String { root.vmPrefix + String(UInt64.random(in: 0 ... .max), radix: 36) }

    /// The versioned machine type that a name stands for on this host. A name without a version means another type in
    /// each version of QEMU, so a base VM stores the versioned one, which other hosts know.
    /// - Throws: `CloudletError.unavailable` when there is no such machine type.
    package func machineType(named name: String) async throws(CloudletError) -> String {
        guard case .success(let document) = try await capabilities(of: name) else {
            throw CloudletError(
                .unavailable, "QEMU has no machine type '\(name.displayable(limit: 60))' here",
                advice: "'qemu-system-x86_64 -machine help' lists those it has")
        }
        return try DomainDescriptionReader.machineType(in: document)
    }

    /// Refuses a CPU model that libvirt does not know, before anything is made for a VM.
    /// - Throws: `CloudletError.unavailable`.
    package func requireCPUModel(named name: String) async throws(CloudletError) {
        guard name != MachineDescription.defaultCPUModel else { return }
        let known = try await blocking { [connection] () throws(CloudletError) in try connection.cpuModels() }
        guard known.contains(name) else {
            throw CloudletError(
                .unavailable, "libvirt has no CPU model '\(name.displayable(limit: 60))'",
                advice: "leave it at \(MachineDescription.defaultCPUModel), or name one that 'virsh cpu-models x86_64' "
                    + "lists")
        }
    }

    /// Starts a VM. If it waits for a state, or `paused` is set, it does not execute guest code yet.
    /// - Parameters:
    ///   - machine: its virtual hardware.
    ///   - resources: its files and options.
    ///   - paused: whether it stays paused.
    ///   - completeCPU: whether the VM must have all features of its CPU model.
    /// - Returns: the VM.
    /// - Throws: `CloudletError` with the reason, such as features that the VM's CPU would lack on this host. The
    ///   emulator may run even then, until ``tearDown(_:)``.
    package func start(
        _ machine: MachineDescription, _ resources: VMResources, paused: Bool = false, completeCPU: Bool = true
    ) async throws(CloudletError) -> VirtualMachine {
        try machine.validate()
        if let refusal = refusalOfAccelerator(machine) { throw refusal }
        var named = resources
        named.disk = root.nameForDriver(resources.disk)
        named.serialLog = resources.serialLog.map(root.nameForDriver)
        named.options.cd = resources.options.cd.map(root.nameForDriver)
        named.flash = resources.flash.map {
            FlashFiles(code: root.nameForDriver($0.code), variables: root.nameForDriver($0.variables))
        }
        let document = DomainXML(machine: machine, resources: named, securityLabels: securityLabels).document()
        let domain = try await EmulatorProcess.killing(
            resources.name, files: connection.processFiles, after: Self.startLimit
        ) { [connection] () async throws(CloudletError) in
            try await blocking { () throws(CloudletError) in
                try ChildReaper.shared.expecting { () throws(CloudletError) in
                    try LibvirtDomain.create(
                        document, paused: paused || resources.waitsForState, on: connection)
                }
            }
        }
        if isEmbedded {
            try? EmulatorLog.prune(root.directory)
            root.keepRoom()
        }
        let started = VirtualMachine(
            domain, machine: machine, resources, in: directory(of: resources.name),
            log: isEmbedded ? root.log(of: domain.name) : nil, shortage: care.vms.shortage, note: care.vms.note,
            keeping: care)
        care.vms.add(started)
        await started.findProcess()
        try await started.watched(within: Self.startLimit) { () async throws(CloudletError) in
            if completeCPU, let refusal = try await started.refusalOfCPU() { throw refusal }
            try await started.openAgentChannel()
            guard resources.waitsForState else { return }
            await started.keepFileCache(discards: resources.options.discards)
            do throws(CloudletError) { try await started.listenForState() } catch {
                throw await started.explained(error)
            }
        }
        return started
    }

    /// How long an emulator may take to start; on a busy host it takes seconds.
    private static let startLimit = Duration.seconds(120)

    /// Checks whether libvirt answers.
    /// - Throws: `CloudletError` with libvirt's reason.
    package func requireAnswer() async throws(CloudletError) {
        _ = try await activeDomains()
    }

    /// Whether this process, or an earlier one with the same directory, made a VM. A driver in this process only knows
    /// such VMs. Their prefix is not compared, because it depends on the directory's path, which may have changed
    /// since.
    private static func isOurs(_ name: String, _ root: HypervisorRoot, _ isEmbedded: Bool) -> Bool {
        isEmbedded ? HypervisorRoot.isVMName(name) : name.hasPrefix(root.vmPrefix)
    }

    func isOurs(_ name: String) -> Bool { Self.isOurs(name, root, isEmbedded) }

    func activeDomains() async throws(CloudletError) -> [LibvirtDomain] {
        try await blocking { [connection] () throws(CloudletError) in try LibvirtDomain.active(on: connection) }
    }
}
