import CloudletSystem
import Synchronization
import Testing

@Suite struct ConnectionSharesTests {
    /// Shares of six places, and who gave way.
    private final class Six: Sendable {
        let shares = ConnectionShares()
        let gone = Mutex<[String]>([])

        func open(_ name: String, perSource: Int = 5) throws(ConnectionShares.Excess) -> ConnectionShares.Place {
            try shares.open(from: String(name.prefix(1)), total: 6, perSource: perSource) {
                self.gone.withLock { $0.append(name) }
            }
        }
    }

    @Test("when all places are taken, the oldest idle connection of the greediest source gives way")
    func greediest() throws {
        let six = Six()
        let places = try ["a1", "b1", "b2", "b3", "b4", "a2"].map { name in try six.open(name) }
        #expect(six.shares.count == 6 && six.gone.withLock(\.isEmpty))
        places[1].isBusy = true
        _ = try six.open("c1")
        #expect(six.gone.withLock { $0 } == ["b2"])
        // Now a: 2, b: 3, c: 1.
        _ = try six.open("d1")
        #expect(six.gone.withLock { $0 } == ["b2", "b3"])
        // One that has as many as the others takes nobody's place away; nor does a source beyond its own bound.
        #expect(throws: ConnectionShares.Excess.total) { try six.open("a3") }
        #expect(throws: ConnectionShares.Excess.source) { try six.open("a3", perSource: 2) }
        #expect(six.shares.count == 6)
        // A place that was taken away is not given back twice.
        six.shares.close(places[2])
        #expect(six.shares.count == 6)
        six.shares.close(places[0])
        six.shares.close(places[0])
        #expect(six.shares.count == 5)
    }

    @Test("many sources with one connection each don't lock out another; busy ones stay")
    func manySources() throws {
        let six = Six()
        let places = try ["a", "b", "c", "d", "e", "f"].map { name in try six.open(name) }
        for place in places.dropLast() { place.isBusy = true }
        _ = try six.open("g").isBusy = true
        #expect(six.gone.withLock { $0 } == ["f"])
        #expect(throws: ConnectionShares.Excess.total) { try six.open("h") }
    }
}
