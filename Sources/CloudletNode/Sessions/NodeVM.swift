import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletSynthesis
import CloudletWire
import Logging

/// The VM of a session, created by this node or left running by an earlier one.
struct NodeVM: SynthesizedVM {
    let name: String
    /// The active forwards. Empty for a VM of an earlier node, which has already reported them to the client.
    let forwards: [ServerMessage.ReportedForward]
    private let session: SessionID
    private let hypervisor: Hypervisor
    private let vms: VMSessions
    private let logger: Logger
    /// Kept while the VM lives, because it knows why the emulator ends.
    private let running: RunningVM?

    /// Creates the VM of a session that this node has synthesized.
    init(_ running: RunningVM, session: SessionID, on hypervisor: Hypervisor, vms: VMSessions, logger: Logger) {
        name = running.machine.name
        forwards = running.forwards.map { .init(address: $0.address, forward: $0.forward) }
        self.session = session
        self.hypervisor = hypervisor
        self.vms = vms
        self.logger = logger
        self.running = running
    }

    /// Creates the VM of a session from the name of a VM that an earlier node left running.
    init(adopting name: String, session: SessionID, on hypervisor: Hypervisor, vms: VMSessions, logger: Logger) {
        self.name = name
        forwards = []
        self.session = session
        self.hypervisor = hypervisor
        self.vms = vms
        self.logger = logger
        running = nil
    }

    func end() async {
        vms.set(name, nil)
        do { try await hypervisor.tearDown(name) } catch {
            logger.error(
                "a VM could not be ended", metadata: ["session": "\(session)", "vm": "\(name)", "reason": "\(error)"])
        }
    }

    func waitForEnd() async -> CloudletError? { await hypervisor.waitForEnd(of: name) }
}
