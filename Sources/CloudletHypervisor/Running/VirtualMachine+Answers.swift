public import CloudletCore
import CloudletSystem

extension VirtualMachine {
    /// Whether something in the guest accepts TCP connections on a forwarded port.
    ///
    /// The user network takes every connection itself before it asks the guest, so a successful connect says nothing.
    /// What tells is data from the guest, or QEMU's own list showing a connection as established with the guest.
    public func answers(on active: ActiveForward) async throws(CloudletError) -> Bool {
        let address = active.address == "0.0.0.0" ? "127.0.0.1" : active.address
        let port = active.forward.hostPort
        guard
            let connection = try? await blocking({ () throws(CloudletError) in
                try TCPProbe(address: address, port: port)
            })
        else { return false }
        for _ in 0..<200 {
            switch connection.state() {
            case .data: return true
            case .closed: return false
            case .open: break
            }
            if try hasConnection(through: active.forward) { return true }
            do { try await Task.sleep(for: .milliseconds(5)) } catch {
                throw CloudletError(.interrupted, "interrupted")
            }
        }
        return false
    }
}
