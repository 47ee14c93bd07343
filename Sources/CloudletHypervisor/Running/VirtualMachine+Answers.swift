// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem

extension VirtualMachine {
    /// Whether something in the guest accepts TCP connections on a forwarded port.
    ///
    /// The user network accepts every connection itself before it asks the guest, so a successful connect proves
    /// nothing. Data from the guest does, or QEMU's own list, if it shows a connection as established with the guest.
    package func answers(on active: ActiveForward) async throws(CloudletError) -> Bool {
        let active = active.ofEmulator
        let address = active.address == "0.0.0.0" ? "127.0.0.1" : active.address
        let port = active.forward.hostPort
        guard
            let connection = try? await blocking({ () throws(CloudletError) in
                try TCPProbe(address: address, port: port)
            })
        else { return false }
        var answers = false
        // QEMU reports no event when the guest accepts a connection.
        _ = try await poll(every: .milliseconds(5), upTo: .milliseconds(50), for: .seconds(1)) {
            () throws(CloudletError) in
            switch connection.state() {
            case .data: answers = true
            case .closed: return true
            case .open: answers = try hasConnection(through: active.forward)
            }
            return answers
        }
        return answers
    }
}
