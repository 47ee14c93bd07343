// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletWire
import Testing

@testable import CloudletSession

/// When a client is too slow, without a clock.
@Suite struct ClientTimingTests {
    private let start = ContinuousClock.now
    private let limits = ClientTiming.Limits(
        idleTimeout: .seconds(30), minimumRate: 100, closeTimeout: .seconds(2))

    private func after(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("a silent client has its time from what came last")
    func silence() {
        var timing = ClientTiming(limits, at: start)
        #expect(timing.due == after(30) && timing.delay(at: after(29)) == nil)
        timing.received(9, isBoundary: true, at: after(10))
        #expect(timing.due == after(40) && timing.delay(at: after(40)) == .silent)
    }

    @Test("a message has its time as a whole, however often a part of it comes")
    func message() {
        var timing = ClientTiming(limits, at: start)
        for second in stride(from: 5, through: 25, by: 5) { timing.received(1, isBoundary: false, at: after(second)) }
        #expect(timing.due == after(30) && timing.delay(at: after(30)) == .message)
    }

    @Test("bulk data is measured in windows from its begin; time in which the client can't send does not count")
    func bulk() {
        var timing = ClientTiming(limits, at: start)
        timing.expect(.bulk, at: after(20))
        #expect(timing.due == after(50))
        // 3000 bytes in 30 s are enough, 2999 in the next window are not.
        timing.received(3000, isBoundary: false, at: after(49))
        #expect(timing.due == after(50) && timing.delay(at: after(50)) == nil)
        #expect(timing.due == after(79))
        timing.received(2999, isBoundary: false, at: after(60))
        timing.pause(at: after(60))
        #expect(timing.due == nil && timing.delay(at: after(200)) == nil)
        timing.resume(at: after(160))
        #expect(timing.due == after(180) && timing.delay(at: after(180)) == .bulk)
    }

    @Test("while it is not the client's turn there is nothing to wait for, and its time begins anew afterwards")
    func turns() {
        var timing = ClientTiming(limits, at: start)
        timing.expect(.nothing, at: after(1))
        #expect(timing.due == nil && timing.delay(at: after(4000)) == nil)
        timing.expect(.message, at: after(4000))
        #expect(timing.due == after(4030))
        timing.pause(at: after(4010))
        #expect(timing.due == nil)
        timing.resume(at: after(4020))
        // Silence begins anew, the message does not.
        #expect(timing.due == after(4030))
    }

    @Test("after the last word the client has a moment, more as long as it sends, but not for ever")
    func closing() {
        var timing = ClientTiming(limits, at: start)
        timing.expect(.nothing, at: start)
        timing.close(at: after(100))
        #expect(timing.isClosed && timing.due == after(102) && timing.delay(at: after(101)) == nil)
        timing.received(5, isBoundary: false, at: after(101))
        #expect(timing.due == after(103))
        for second in 102...129 { timing.received(5, isBoundary: false, at: after(second)) }
        #expect(timing.due == after(130) && timing.delay(at: after(130)) == .close)
    }
}
