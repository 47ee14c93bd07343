// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Testing

@testable import CloudletAdvertising
@testable import CloudletNetwork

@Suite struct UnknownHostLimiterTests {
    private let start = ContinuousClock.now

    private func host(_ number: Int, isV4: Bool = true) -> Neighbour {
        Neighbour(
            address: isV4 ? .v4(0x0A00_0000 + UInt32(number)) : .v6(high: 0xFE80 << 48, low: UInt64(number)),
            interface: 2)
    }

    @Test("whoever asks gets a place while half are free, then who asks again; the kernel is never asked to try more")
    func places() {
        var slots = UnknownHostLimiter()
        var most = 0
        var taken: [(Neighbour, ContinuousClock.Instant)] = []
        // A new address every millisecond, for 20 s.
        for number in 0..<20_000 {
            let now = start + .milliseconds(number)
            if slots.take(host(number), isMulticast: true, at: now) { taken.append((host(number), now)) }
            taken.removeAll { now - $0.1 >= slots.trialTime }
            most = max(most, taken.count)
            // One who searches for real comes in with its second search at the latest.
            if number % 1000 == 999 {
                let real = host(1_000_000 + number)
                let again = now + .milliseconds(500)
                let isIn =
                    slots.take(real, isMulticast: true, at: now) || slots.take(real, isMulticast: true, at: again)
                #expect(isIn)
                slots.free(real)
            }
        }
        #expect(most <= slots.multicastSlots / 2)
    }

    @Test("floods by unicast take none of the places of those who search by multicast, nor IPv6 those of IPv4")
    func kinds() {
        var slots = UnknownHostLimiter()
        for number in 0..<5000 {
            _ = slots.take(host(number), isMulticast: false, at: start)
            _ = slots.take(host(number, isV4: false), isMulticast: true, at: start)
        }
        let others = (10_000..<10_100).map { slots.take(host($0), isMulticast: true, at: start) }
        #expect(others.allSatisfy { $0 })
    }

    @Test("addresses that ask twice get no more than all places")
    func repeating() {
        var slots = UnknownHostLimiter()
        var count = 0
        for _ in 0..<3 {
            for number in 0..<3000 where !slots.holds(host(number)) {
                count += slots.take(host(number), isMulticast: true, at: start) ? 1 : 0
            }
        }
        #expect(count == slots.multicastSlots)
    }

    @Test("what strangers get is not taken from those who are known, and is bounded for all together")
    func budget() {
        var budget = ReplyBudget()
        let strangers = (1...5000).filter { budget.allow(1, to: .v4(UInt32($0)), isKnown: false, at: start) }.count
        #expect(strangers == Int(budget.strangerBurst))
        let known = (1...100).allSatisfy { budget.allow(5, to: .v4(UInt32(0x0A00_0000 + $0)), at: start) }
        #expect(known)
    }
}
