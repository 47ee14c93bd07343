import CloudletSession

/// How many connections a node takes, by what the limit of open files allows: half of it is left to VMs, the registry and
/// whatever else a node opens.
struct ConnectionBudget: Sendable {
    /// Places for connections of the synthesis protocol.
    let sessions: Int
    /// Places for HTTP connections.
    let http: Int
    /// Bounds what listeners of the synthesis protocol accept: the places, and some that are told that there is none.
    let sessionGate: AcceptGate
    /// The same of HTTP.
    let httpGate: AcceptGate

    private static let mostHTTP = 512
    private static let mostRefused = 96

    /// A budget for a process that may open so many files.
    init(descriptors: Int) {
        let all = max(16, descriptors / 2)
        let refused = min(Self.mostRefused, all / 8)
        sessions = all / 2 - refused
        http = min(Self.mostHTTP, sessions)
        sessionGate = AcceptGate(limit: sessions + refused)
        httpGate = AcceptGate(limit: http + refused)
    }

    /// The limits that are configured, as far as there are places.
    func bounding(_ limits: SessionServer.Limits) -> SessionServer.Limits {
        var limits = limits
        limits.connections = min(limits.connections, sessions)
        return limits
    }
}
