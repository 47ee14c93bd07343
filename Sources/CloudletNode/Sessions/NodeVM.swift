import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletSynthesis
import CloudletWire
import Logging

/// The VM of a session: one that this node has synthesized, or one that an earlier node left running.
struct NodeVM: SynthesizedVM {
    let name: String
    /// None for a VM of an earlier node, which has reported them to the client.
    let forwards: [ServerMessage.ReportedForward]
    private let session: SessionID
    private let hypervisor: Hypervisor
    private let vms: VMSessions
    private let logger: Logger
    /// Kept while the VM lives: it knows why its emulator ends.
    private let running: RunningVM?

    /// A VM of this node's.
    init(_ running: RunningVM, session: SessionID, on hypervisor: Hypervisor, vms: VMSessions, logger: Logger) {
        name = running.machine.name
        forwards = running.forwards.map { .init(address: $0.address, forward: $0.forward) }
        self.session = session
        self.hypervisor = hypervisor
        self.vms = vms
        self.logger = logger
        self.running = running
    }

    /// A VM of an earlier node's, by its name.
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
