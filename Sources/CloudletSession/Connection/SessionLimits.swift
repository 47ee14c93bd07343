package import CloudletWire

/// Bounds on the clients of a session server.
package struct SessionLimits: Sendable, Hashable {
    /// A number of units a second in the long run, and at once.
    package struct Rate: Sendable, Hashable {
        /// Units a second in the long run.
        package var perSecond: Double
        /// Units at once.
        package var burst: Int

        /// A rate.
        package init(perSecond: Double, burst: Int) { (self.perSecond, self.burst) = (perSecond, burst) }
    }

    /// Bounds on messages.
    package var conversation = ServerConversation.Limits()
    /// How long a client may be silent when it is its turn: before a command, in the middle of one, in a transfer.
    package var idleTimeout = Duration.seconds(30)
    /// Fewest bytes a second in a transfer, over windows as long as `idleTimeout`.
    package var minimumRate = 1024
    /// How long a VM lives on after its client's connection was lost.
    package var lease = Duration.seconds(300)
    /// How long a client may take to reconnect when its connection was lost in the transfer.
    package var reconnectTimeout = Duration.seconds(60)
    /// Bytes of metas of all connections that have not been read yet, because they are incomplete or wait for
    /// their turn. A client address has a quarter.
    package var bufferedMetas = 64 << 20
    /// Bytes that the large metas of all sessions take once they are read. A client address has a quarter.
    package var heldMetas = 128 << 20
    /// Commands of a connection that are answered.
    package var commandRate = Rate(perSecond: 32, burst: 64)
    /// Connections and commands of a client address that are taken on.
    package var addressRate = Rate(perSecond: 256, burst: 768)
    /// How long a client may take to end its connection after the last word.
    package var closeTimeout = Duration.seconds(2)
    /// Whether VMs are left running when the server stops, for the next one to adopt.
    package var keepsVMs = false
    /// Connections at the same time. One more, and an idle connection of the client address that has most is closed.
    package var connections = 512
    /// Those of one client address.
    package var connectionsPerClient = 256
    /// How long a client's host may be unreachable before its connection counts as lost. Whole seconds, at least 3.
    package var unreachableTimeout = Duration.seconds(60)

    /// The default bounds.
    package init() {}

    /// How long a client may let the server wait.
    var timing: ClientTiming.Limits {
        .init(idleTimeout: idleTimeout, minimumRate: minimumRate, closeTimeout: closeTimeout)
    }
}
