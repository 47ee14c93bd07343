// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import CloudletSession

/// The numbers of connections that a node accepts, derived from its limit of open files. Half of the files are left to
/// VMs, the registry and everything else that a node opens.
struct ConnectionBudget: Sendable {
    /// The number of connections of the synthesis protocol.
    let sessions: Int
    /// The number of HTTP connections.
    let http: Int
    /// Limits the connections that listeners of the synthesis protocol accept: ``sessions``, and some more that are
    /// refused with a reason.
    let sessionGate: AcceptGate
    /// Limits the connections that HTTP listeners accept.
    let httpGate: AcceptGate

    private static let mostHTTP = 512
    private static let mostRefused = 96

    /// Creates the budget of a process that may have `descriptors` open files.
    init(descriptors: Int) {
        let all = max(16, descriptors / 2)
        let refused = min(Self.mostRefused, all / 8)
        sessions = all / 2 - refused
        http = min(Self.mostHTTP, sessions)
        sessionGate = AcceptGate(limit: sessions + refused)
        httpGate = AcceptGate(limit: http + refused)
    }

    /// The configured limits, reduced if they exceed the budget.
    func bounding(_ limits: SessionServer.Limits) -> SessionServer.Limits {
        var limits = limits
        limits.connections = min(limits.connections, sessions)
        return limits
    }
}
