public import CloudletCore
import CloudletMarkup
import CloudletSystem
import Glibc
import SystemPackage

/// The one place that starts VMs.
public final class Hypervisor: Sendable {
    private let connection: LibvirtConnection
    private let root: HypervisorRoot?
    private let securityLabels: [MarkupElement]
    /// What executes guest code on this host.
    public let accelerator: MachineDescription.Accelerator

    /// Which libvirt is used.
    public enum Target: Sendable {
        /// A driver inside this process, with its state in this directory.
        case embedded(HypervisorRoot)
        /// A libvirt daemon.
        case uri(String)
    }

    private static let prefix = "cloudlet-"

    private init(
        connection: LibvirtConnection, root: HypervisorRoot?, labels: [MarkupElement],
        accelerator: MachineDescription.Accelerator
    ) {
        self.connection = connection
        self.root = root
        securityLabels = labels
        self.accelerator = accelerator
    }

    /// Opens the hypervisor.
    /// - Parameters:
    ///   - target: which libvirt.
    ///   - accelerator: what executes guest code; see `AcceleratorProbe`.
    public static func open(
        _ target: Target, accelerator: MachineDescription.Accelerator
    ) async throws(CloudletError) -> Hypervisor {
        try await blocking { () throws(CloudletError) in
            switch target {
            case .embedded(let root):
                let connection = try LibvirtConnection(uri: try root.uri(), log: root.driverLog.string)
                return Hypervisor(connection: connection, root: root, labels: [], accelerator: accelerator)
            case .uri(let uri):
                let connection = try LibvirtConnection(uri: uri)
                let models = try DomainDescriptionReader.securityModels(in: connection.capabilities())
                return Hypervisor(
                    connection: connection, root: nil, labels: models.map(Self.label), accelerator: accelerator)
            }
        }
    }

    /// A label by which a libvirt daemon runs the emulator as this user and leaves our files alone.
    private static func label(for model: String) -> MarkupElement {
        guard model == "dac" else { return MarkupElement("seclabel", attributes: ["type": "none", "model": model]) }
        return MarkupElement(
            "seclabel", attributes: ["type": "static", "model": "dac", "relabel": "no"],
            children: [MarkupElement("label", text: "+\(geteuid()):+\(getegid())")])
    }

    /// A new name for a VM.
    public static func newName() -> String { prefix + String(UInt64.random(in: 0 ... .max), radix: 36) }

    /// Starts a VM. One that waits for state, or whose `paused` is set, does not execute guest code yet.
    public func start(
        _ machine: MachineDescription, _ resources: VMResources, paused: Bool = false
    ) async throws(CloudletError) -> VirtualMachine {
        try machine.validate()
        guard machine.accelerator == accelerator else {
            throw CloudletError(
                .unavailable,
                "the VM was made under \(machine.accelerator.rawValue), this host runs \(accelerator.rawValue)",
                advice: "make a base VM on this host, or use a host like the one it was made on")
        }
        let document = DomainXML(machine: machine, resources: resources, securityLabels: securityLabels).document()
        let domain = try await blocking { [connection] () throws(CloudletError) in
            try connection.createDomain(document, paused: paused || resources.waitsForState)
        }
        return VirtualMachine(domain, of: connection, machine: machine, log: root?.log(of: domain.name))
    }

    /// Ends VMs of ours that an earlier holder of this directory left behind.
    /// - Returns: their names.
    public func endStrays(keeping: Set<String> = []) async throws(CloudletError) -> [String] {
        guard root != nil else { return [] }
        return try await blocking { [connection] () throws(CloudletError) in
            var ended: [String] = []
            for domain in try connection.activeDomains() {
                let name = domain.name
                guard name.hasPrefix(Self.prefix), !keeping.contains(name) else { continue }
                try domain.destroy()
                ended.append(name)
            }
            return ended
        }
    }
}
