import CloudletSession

/// How many connections a node accepts by its limit of open files: half of the files are left to VMs, the registry and
/// everything else that a node opens.
struct ConnectionBudget: Sendable {
    /// Connections of the synthesis protocol.
    let sessions: Int
    /// HTTP connections.
    let http: Int
    /// Bounds what listeners of the synthesis protocol accept: ``sessions``, and some that are refused with a reason.
    let sessionGate: AcceptGate
    /// The same for HTTP.
    let httpGate: AcceptGate

    private static let mostHTTP = 512
    private static let mostRefused = 96

    /// A budget for a process that may have `descriptors` open files.
    init(descriptors: Int) {
        let all = max(16, descriptors / 2)
        let refused = min(Self.mostRefused, all / 8)
        sessions = all / 2 - refused
        http = min(Self.mostHTTP, sessions)
        sessionGate = AcceptGate(limit: sessions + refused)
        httpGate = AcceptGate(limit: http + refused)
    }

    /// The configured limits, as far as the budget allows.
    func bounding(_ limits: SessionServer.Limits) -> SessionServer.Limits {
        var limits = limits
        limits.connections = min(limits.connections, sessions)
        return limits
    }
}
