// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem

/// The limits that all connections of a server share.
final class ClientBudgets: Sendable {
    let unreadMetas: MetaBudget
    let parsedMetas: MetaBudget
    let rates: RateLimit

    init(_ limits: SessionLimits) {
        unreadMetas = .unreadMetas(limit: limits.bufferedMetas)
        parsedMetas = .parsedMetas(limit: limits.heldMetas)
        rates = RateLimit(perSecond: limits.addressRate.perSecond, burst: limits.addressRate.burst)
    }
}
