// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletWire

/// The limits on the clients of a session server.
package struct SessionLimits: Sendable, Hashable {
    /// A rate: units a second in the long run, and a burst.
    package struct Rate: Sendable, Hashable {
        /// Units a second in the long run.
        package var perSecond: Double
        /// Units that may be used at once.
        package var burst: Int

        /// Creates a rate.
        package init(perSecond: Double, burst: Int) { (self.perSecond, self.burst) = (perSecond, burst) }
    }

    /// The limits on messages.
    package var conversation = ServerConversation.Limits()
    /// How long a client may send nothing when it is its turn: before a command, in the middle of one, or in a
    /// transfer.
    package var idleTimeout = Duration.seconds(30)
    /// The minimum rate of a transfer in bytes a second, measured over windows as long as `idleTimeout`.
    package var minimumRate = 1024
    /// How long a VM is kept after its client's connection was lost.
    package var lease = Duration.seconds(300)
    /// How long a client may take to reconnect when its connection was lost during the transfer.
    package var reconnectTimeout = Duration.seconds(60)
    /// The largest total size in bytes of metas that have not been parsed yet, because they are incomplete or wait for
    /// their turn. Each client address may use a quarter.
    package var bufferedMetas = 64 << 20
    /// The largest total memory in bytes of the parsed large metas of all sessions. Each client address may use a
    /// quarter.
    package var heldMetas = 128 << 20
    /// The rate at which commands of one connection are answered.
    package var commandRate = Rate(perSecond: 32, burst: 64)
    /// The rate at which connections and commands of one client address are accepted.
    package var addressRate = Rate(perSecond: 256, burst: 768)
    /// How long a client may take to close its connection after the server's last message.
    package var closeTimeout = Duration.seconds(2)
    /// Whether VMs keep running when the server stops, so that the next server adopts them.
    package var keepsVMs = false
    /// The largest number of connections. Beyond it, an idle connection of the client address that has the most is
    /// closed.
    package var connections = 512
    /// The largest number of connections of one client address.
    package var connectionsPerClient = 256
    /// How long a client's host may be unreachable before its connection counts as lost, in whole seconds, at least 3.
    package var unreachableTimeout = Duration.seconds(60)

    /// The default limits.
    package init() {}

    /// The limits on how slow a client may be.
    var timing: ClientTiming.Limits {
        .init(idleTimeout: idleTimeout, minimumRate: minimumRate, closeTimeout: closeTimeout)
    }
}
