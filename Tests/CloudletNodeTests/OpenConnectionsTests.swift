import Synchronization
import Testing

@testable import CloudletNode

@Suite struct OpenConnectionsTests {
    private let start = ContinuousClock.now

    @Test("who has many gives places to who has few; who has few keeps them")
    func shares() {
        let connections = OpenConnections<String>(total: 64, perSource: 16)
        let ended = Mutex<[String]>([])
        func open(_ source: String, at time: Duration = .zero) -> Int? {
            connections.open(from: source, at: start + time) { ended.withLock { $0.append(source) } }
        }
        #expect((0..<20).compactMap { _ in open("a") }.count == 16)
        for source in ["b", "c", "d"] { for _ in 0..<16 { _ = open(source) } }
        #expect(connections.count == 64)
        for source in 0..<20 { #expect(open("n\(source)") != nil) }
        #expect(connections.count == 64 && ended.withLock(\.count) == 20)
        #expect(ended.withLock { $0.allSatisfy { !$0.hasPrefix("n") } })
    }

    @Test("where nobody has more than others, the oldest goes when it has had its time; places are given back once")
    func time() {
        let connections = OpenConnections<Int>(total: 8, perSource: 4)
        let ended = Mutex<[Int]>([])
        func open(_ source: Int, at time: Duration) -> Int? {
            connections.open(from: source, at: start + time) { ended.withLock { $0.append(source) } }
        }
        let numbers = (0..<8).map { open($0, at: .milliseconds($0)) }
        #expect(open(100, at: .seconds(1)) == nil)
        #expect(open(100, at: .seconds(4)) != nil && ended.withLock { $0 } == [0])
        if let number = numbers[0] { connections.close(number, from: 0) }
        #expect(connections.count == 8)
        if let number = numbers[1] {
            connections.close(number, from: 1)
            connections.close(number, from: 1)
        }
        #expect(connections.count == 7)
    }
}
