// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletSession

extension NodeConfiguration {
    /// The limits on clients.
    package var sessionLimits: SessionServer.Limits {
        var limits = SessionServer.Limits()
        limits.lease = self.lease
        limits.idleTimeout = self.idleTimeout
        limits.reconnectTimeout = self.reconnectTimeout
        limits.minimumRate = self.minimumRate
        limits.keepsVMs = self.keepsVMs
        limits.connections = self.connections
        limits.connectionsPerClient = self.connectionsPerClient
        limits.unreachableTimeout = self.unreachableTimeout
        return limits
    }
}
