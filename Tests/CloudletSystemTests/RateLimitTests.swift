// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Testing

@testable import CloudletSystem

@Suite struct RateLimitTests {
    private let start = ContinuousClock.now

    @Test("a burst at once, then the rate; what is not used adds up to the burst again")
    func pace() throws {
        var pacer = Pacer(perSecond: 10, burst: 5)
        let waits = (0..<8).map { _ in pacer.take(at: start) }
        #expect(waits == [0, 0, 0, 0, 0, 100, 200, 300].map { .milliseconds($0) })
        #expect(pacer.take(3, waitingAtMost: .milliseconds(300), at: start) == nil)
        // Nothing was taken by that.
        #expect(pacer.take(3, at: start) == .milliseconds(400))
        let later = (0..<6).map { _ in pacer.take(at: start + .seconds(60)) }
        #expect(later == [0, 0, 0, 0, 0, 100].map { .milliseconds($0) })
    }

    @Test("one client's greed is no other's, and who rests is forgotten")
    func clients() {
        let limit = RateLimit(perSecond: 1, burst: 1)
        #expect(limit.take(for: "a", at: start) == .zero && limit.take(for: "a", at: start) == .seconds(1))
        #expect(limit.take(for: "b", at: start) == .zero)
        for index in 0..<1000 { _ = limit.take(for: "x\(index)", at: start) }
        #expect(limit.remembered == 1002)
        _ = limit.take(for: "c", at: start + .seconds(10))
        #expect(limit.remembered == 1)
    }

    @Test("the limit of open files is raised, told and lowered; without room it is an error")
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            DescriptorLimit.lower(to: 200)
            #expect(DescriptorLimit.current == 200)
            #expect(throws: CloudletError.self) { try DescriptorLimit.requireRoom(for: 200) }
            try DescriptorLimit.requireRoom(for: 20)
            #expect(DescriptorLimit.raise(to: 300) == 300 && DescriptorLimit.raise(to: 100) == 300)
        }
    }

    @Test("a cached value is found out once in its time")
    func cached() {
        let count = LockedValue(0)
        let find = { @Sendable () -> Int in
            count.value += 1
            return count.value
        }
        let kept = Cached(for: .seconds(3600), find)
        #expect((0..<100).allSatisfy { _ in kept.value == 1 })
        let stale = Cached(for: .zero, find)
        #expect(stale.value == 2 && stale.value == 3)
    }
}
