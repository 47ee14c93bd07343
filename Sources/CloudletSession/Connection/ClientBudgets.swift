import CloudletSystem

/// The limits that all connections of a server share.
final class ClientBudgets: Sendable {
    let unreadMetas: MetaBudget
    let heldMetas: HeldMetas
    let rates: RateLimit

    init(_ limits: SessionLimits) {
        unreadMetas = MetaBudget(limit: limits.bufferedMetas)
        heldMetas = HeldMetas(limit: limits.heldMetas)
        rates = RateLimit(perSecond: limits.addressRate.perSecond, burst: limits.addressRate.burst)
    }
}
