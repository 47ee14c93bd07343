import Synchronization

/// Bounds on clients that may be changed while the server runs; what is under way keeps those it began with, except for
/// the lease.
public final class ChangeableLimits: Sendable {
    private let limits: Mutex<SessionServer.Limits>

    init(_ limits: SessionServer.Limits) { self.limits = Mutex(limits) }

    /// The bounds now.
    public var value: SessionServer.Limits {
        get { limits.withLock { $0 } }
        set { limits.withLock { $0 = newValue } }
    }
}
