package import CloudletSession

extension NodeConfiguration {
    /// Bounds on clients.
    package var sessionLimits: SessionServer.Limits {
        var limits = SessionServer.Limits()
        limits.lease = self.lease
        limits.clientSilence = self.idleTimeout
        limits.comeback = self.reconnectTimeout
        limits.minimumRate = self.minimumRate
        limits.keepsVMs = self.keepsVMs
        limits.connections = self.connections
        limits.connectionsPerClient = self.connectionsPerClient
        limits.unreachable = self.unreachableTimeout
        return limits
    }
}
