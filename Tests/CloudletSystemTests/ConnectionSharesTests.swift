// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Synchronization
import Testing

@Suite struct ConnectionSharesTests {
    /// Shares of six permits, and the connections that lost theirs.
    private final class Six: Sendable {
        let shares = ConnectionShares()
        let gone = Mutex<[String]>([])

        func acquire(_ name: String, perSource: Int = 5) throws(ConnectionShares.Excess) -> ConnectionShares.Permit {
            try shares.acquire(from: String(name.prefix(1)), total: 6, perSource: perSource) {
                self.gone.withLock { $0.append(name) }
            }
        }
    }

    @Test("when all permits are taken, the oldest idle connection of the greediest source loses its own")
    func greediest() throws {
        let six = Six()
        let permits = try ["a1", "b1", "b2", "b3", "b4", "a2"].map { name in try six.acquire(name) }
        #expect(six.shares.count == 6 && six.gone.withLock(\.isEmpty))
        permits[1].isBusy = true
        _ = try six.acquire("c1")
        #expect(six.gone.withLock { $0 } == ["b2"])
        // Now a: 2, b: 3, c: 1.
        _ = try six.acquire("d1")
        #expect(six.gone.withLock { $0 } == ["b2", "b3"])
        // One that has as many as the others takes no permit from another; nor does a source beyond its own bound.
        #expect(throws: ConnectionShares.Excess.total) { try six.acquire("a3") }
        #expect(throws: ConnectionShares.Excess.source) { try six.acquire("a3", perSource: 2) }
        #expect(six.shares.count == 6)
        // A permit that was revoked is not released twice.
        six.shares.release(permits[2])
        #expect(six.shares.count == 6)
        six.shares.release(permits[0])
        six.shares.release(permits[0])
        #expect(six.shares.count == 5)
    }

    @Test("many sources with one connection each don't lock out another; busy ones stay")
    func manySources() throws {
        let six = Six()
        let permits = try ["a", "b", "c", "d", "e", "f"].map { name in try six.acquire(name) }
        for permit in permits.dropLast() { permit.isBusy = true }
        _ = try six.acquire("g").isBusy = true
        #expect(six.gone.withLock { $0 } == ["f"])
        #expect(throws: ConnectionShares.Excess.total) { try six.acquire("h") }
    }
}
