// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import Foundation
import Testing

@testable import CloudletSession

/// Who may go on with a session whose connection was lost, until when, and with what.
@Suite struct SessionReconnectionTests {
    private let now = ContinuousClock.now

    @Test("only the overlay's own client may go on, while the session lives")
    func goingOn() {
        for start in SessionStateTests.Start.allCases {
            let state = SessionStateTests.session(start)
            let isActive = [.waiting, .receiving, .resuming, .running].contains(start)
            #expect(
                state.mayContinue(with: SessionStateTests.digest) == isActive && state.isActive == isActive, "\(start)")
            #expect(!state.mayContinue(with: SHA256Digest(hashing: [2].span)))
            #expect(state.runs(SessionStateTests.digest, for: "192.0.2.7") == (start == .running))
            #expect(!state.runs(SessionStateTests.digest, for: "192.0.2.8"))
        }
    }

    @Test("a session waits for its client so long: in the transfer if the client reconnects, with a VM in any case")
    func deadlines() {
        let timeouts = SessionState.Timeouts(reconnect: .seconds(60), lease: .seconds(300))
        for (start, length) in [(SessionStateTests.Start.receiving, 60), (.running, 300)] {
            var state = SessionStateTests.session(start, reconnects: true)
            #expect(state.deadline(timeouts) == nil)
            #expect(state.detach(1, at: now) && !state.detach(1, at: now))
            let deadline = now + .seconds(length)
            #expect(state.deadline(timeouts) == deadline)
            #expect(state.expire(timeouts, at: deadline - .nanoseconds(1)) == false)
            // Another connection in time, and what the one before still does is nothing to the session.
            var again = state
            #expect(again.attach(reconnects: true) == 2 && again.deadline(timeouts) == nil)
            #expect(!again.detach(1, at: now) && !again.reject(1, SessionStateTests.failure) && again.isActive)
            #expect(state.expire(timeouts, at: deadline) && state.endReason == .reconnectTimeout)
            #expect(state.deadline(timeouts) == nil && state.attach(reconnects: true) == nil)
        }
    }

    @Test("a VM without a client is replaced; one whose client reconnects by itself, after a moment")
    func replacement() {
        for (reconnects, grace) in [(false, Duration.zero), (true, SessionState.reconnectGrace)] {
            var state = SessionStateTests.session(.running, reconnects: reconnects)
            #expect(state.replaceableFrom == nil && state.detach(1, at: now))
            #expect(state.replaceableFrom == now + grace)
            #expect(state.replace(at: now + grace - .nanoseconds(1)) == false)
            #expect(state.replace(at: now + grace) && state.endReason == .replaced)
            #expect(!state.replace(at: now + grace) && state.replaceableFrom == nil)
        }
        var transfer = SessionStateTests.session(.receiving, reconnects: true)
        #expect(transfer.detach(1, at: now) && !transfer.replace(at: now + .seconds(1000)))
    }

    @Test("a session of an earlier node runs, waits for its client, and has no answer for a second synthesis")
    func adoption() {
        let state = SessionState(adopting: SessionStateTests.session(.running).status, at: now)
        #expect(state.phase == .running && state.status.vm == "vm-1" && state.status.appName == "face")
        #expect(state.deadline(.init(reconnect: .zero, lease: .seconds(9))) == now + .seconds(9))
        guard case .failed? = state.outcome else {
            Issue.record("not failed")
            return
        }
    }

    @Test("what came by a connection that broke off is not passed on again by the next one")
    func transfer() {
        var transfer = TransferState()
        #expect(transfer.beginConnection() && transfer.resumePoint == .init())
        #expect(transfer.remainder(of: .begin(4)) == .begin(4))
        #expect(transfer.remainder(of: .bytes([1, 2, 3])) == .bytes([1, 2, 3]))
        #expect(transfer.beginConnection() && transfer.resumePoint == .init(received: [], first: 4))
        #expect(transfer.remainder(of: .begin(4)) == nil)
        #expect(transfer.remainder(of: .bytes([1, 2])) == nil)
        #expect(transfer.remainder(of: .bytes([3, 4])) == .bytes([4]))
        #expect(transfer.remainder(of: .bytes([5])) == .bytes([5]) && transfer.remainder(of: .end) == .end)
        #expect(transfer.remainder(of: .begin(2)) == .begin(2))
        #expect(transfer.beginConnection() && transfer.resumePoint == .init(received: [4], first: 2))
        transfer.markBroken()
        let goesOn = transfer.beginConnection()
        #expect(!goesOn)
    }

    @Test("a session whose end was requested before its first connection was attached ends when its beginning fails")
    func endedBeforeAttached() {
        var state = SessionState(id: SessionID(1), client: "192.0.2.7", created: .distantPast)
        let hasBegun = state.begin(meta: SessionStateTests.digest, SessionStateTests.details)
        #expect(hasBegun && state.requestEnd(.closed) == .accepted)
        let attached = state.attach(reconnects: false)
        #expect(attached == nil)
        let hasFailed = state.fail(SessionStateTests.error)
        #expect(hasFailed && state.hasReached(.ended) && state.hasReached(.settled))
    }
}
