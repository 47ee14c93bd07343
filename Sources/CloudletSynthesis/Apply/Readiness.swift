import CloudletCore
import CloudletHypervisor
import CloudletSystem

extension VirtualMachine {
    /// Waits until the application in the VM answers on its port.
    /// - Parameters:
    ///   - port: the guest's TCP port.
    ///   - forwards: the forwards in force; when none leads to the port, one is opened on the loopback address for as
    ///     long as it takes.
    ///   - limit: how long to wait.
    /// - Throws: `CloudletError.unavailable` when nothing answers in time.
    func requireReadiness(
        on port: UInt16, _ forwards: [ActiveForward], within limit: Duration
    ) async throws(CloudletError) {
        let existing = forwards.first { $0.forward.guestPort == port && $0.forward.transport == .tcp }
        let own = PortForward(.tcp, hostPort: 0, guestPort: port)
        let forward = if let existing { existing } else { try addForward(own, on: "127.0.0.1") }
        let ready = try await poll(every: .milliseconds(5), for: limit) { () async throws(CloudletError) in
            try await answers(on: forward)
        }
        if existing == nil { try removeForward(forward) }
        if !ready {
            throw CloudletError(
                .unavailable,
                "the VM runs, but its application does not answer on guest port \(port) within \(limit.shown)",
                advice: "check that the application ran when the overlay was made")
        }
    }
}
