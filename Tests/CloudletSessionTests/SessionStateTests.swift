// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire
import Foundation
import Testing

@testable import CloudletSession

/// The life of a session: each transition from each phase.
@Suite struct SessionStateTests {
    /// The phases, one of them reached in three ways.
    enum Start: String, CaseIterable {
        case created, fetching, waiting, receiving, resuming, running, endingInQueue, endingInTransfer, endingVM, ended
    }

    /// What one transition does: the phases in which it is allowed, and those to which it leads.
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let apply: @Sendable (inout SessionState) -> Bool
        let allowed: [Start: SessionState.Phase]

        init(
            _ name: String, _ allowed: [Start: SessionState.Phase],
            _ apply: @escaping @Sendable (inout SessionState) -> Bool
        ) {
            (testDescription, self.apply, self.allowed) = (name, apply, allowed)
        }
    }

    /// All that can be seen of a session.
    struct Snapshot: Equatable {
        let phase: SessionState.Phase
        let status: SessionStatus
        let connection: SessionConnection.State
        let number: Int
        let milestones: [SessionState.Milestone]

        init(_ state: SessionState) {
            (phase, status) = (state.phase, state.status)
            (connection, number) = (state.connection.state, state.connection.number)
            milestones = SessionState.Milestone.allCases.filter(state.hasReached)
        }
    }

    static let now = ContinuousClock.now
    static let digest = SHA256Digest(hashing: [1].span)
    static let details = SessionState.Details(appName: "face", baseHash: digest, totalBytes: 1000)
    static let error = CloudletError(.badData, "blob 1 is damaged")
    static let failure = EndReason.Failure(error)
    static let forward = ServerMessage.ReportedForward(
        address: "192.0.2.1", forward: PortForward(hostPort: 2222, guestPort: 22))

    /// A session that came to a phase by the usual way, with one connection.
    static func session(_ start: Start, reconnects: Bool = false) -> SessionState {
        var state = SessionState(id: SessionID(1), client: "192.0.2.7", created: .distantPast)
        func then(_ step: (inout SessionState) -> Bool) {
            let isDone = step(&state)
            #expect(isDone)
        }
        switch start {
        case .created: break
        case .fetching: then { $0.beginFetch() }
        default:
            then { $0.begin(meta: digest, details) && $0.attach(reconnects: reconnects) != nil }
            guard start != .waiting else { break }
            guard start != .endingInQueue else {
                then { $0.requestEnd(.finished) == .accepted }
                break
            }
            then { $0.admit() }
            guard start != .receiving else { break }
            guard start != .endingInTransfer else {
                then { $0.requestEnd(.finished) == .accepted }
                break
            }
            then { $0.note(.resuming) == .resuming }
            guard start != .resuming else { break }
            then { $0.run("vm-1", .init(forwards: [forward])) && $0.announce(.init(forwards: [forward])) }
            guard start != .running else { break }
            then { $0.requestEnd(.finished) == .accepted }
            if start == .ended { then { $0.end() } }
        }
        return state
    }

    static let rows: [Row] = [
        Row("beginFetch", [.created: .fetching]) { $0.beginFetch() },
        Row("endFetch", [.fetching: .created]) { $0.endFetch() },
        Row("begin", [.created: .waiting(position: nil), .fetching: .waiting(position: nil)]) {
            $0.begin(meta: digest, details)
        },
        Row("admit", [.waiting: .receiving]) { $0.admit() },
        Row("note waiting", [.waiting: .waiting(position: 3)]) {
            $0.note(.waiting(position: 3)) == .queued(position: 3)
        },
        Row("note received", [.receiving: .receiving]) { $0.note(.received(bytes: 100)) == .received(percent: 10) },
        Row("note resuming", [.receiving: .resuming]) { $0.note(.resuming) == .resuming },
        Row("run", [.receiving: .running, .resuming: .running]) { $0.run("vm-1", .init()) },
        Row("announce", [:]) { $0.announce(.init()) },
        Row(
            "requestEnd",
            [
                .created: .ended(.stopped, at: .created), .fetching: .ended(.stopped, at: .created),
                .waiting: .ending(.stopped, at: .waiting), .receiving: .ending(.stopped, at: .receiving),
                .resuming: .ending(.stopped, at: .resuming), .running: .ending(.stopped, at: .running),
            ]
        ) { $0.requestEnd(.stopped) != .tooLate },
        Row("endIfUnused", [.created: .ended(.unused, at: .created)]) { $0.endIfUnused() },
        Row(
            "fail",
            [
                .waiting: .ended(.failed(failure), at: .waiting), .receiving: .ended(.failed(failure), at: .receiving),
                .resuming: .ended(.failed(failure), at: .resuming),
                .endingInQueue: .ended(.finished, at: .waiting),
                .endingInTransfer: .ended(.finished, at: .receiving),
            ]
        ) { $0.fail(error) },
        Row(
            "end",
            [
                .endingInQueue: .ended(.finished, at: .waiting),
                .endingInTransfer: .ended(.finished, at: .receiving), .endingVM: .ended(.finished, at: .running),
            ]
        ) { $0.end() },
        Row(
            "attach",
            [
                .waiting: .waiting(position: nil), .receiving: .receiving, .resuming: .resuming, .running: .running,
            ]
        ) { $0.attach(reconnects: true) != nil },
        Row(
            "detach",
            [
                .waiting: .ending(.disconnected, at: .waiting), .receiving: .ending(.disconnected, at: .receiving),
                .resuming: .ending(.disconnected, at: .resuming), .running: .running,
                .endingInQueue: .ending(.finished, at: .waiting),
                .endingInTransfer: .ending(.finished, at: .receiving), .endingVM: .ending(.finished, at: .running),
                .ended: .ended(.finished, at: .running),
            ]
        ) { $0.detach(1, at: now) },
        Row("detach another connection", [:]) { $0.detach(2, at: now) },
        Row(
            "reject",
            [
                .waiting: .ending(.clientFault(failure), at: .waiting),
                .receiving: .ending(.clientFault(failure), at: .receiving),
                .resuming: .ending(.clientFault(failure), at: .resuming),
            ]
        ) { $0.reject(1, failure) },
        Row("reject another connection", [:]) { $0.reject(2, failure) },
        Row("expire while attached", [:]) {
            $0.expire(.init(reconnect: .zero, lease: .zero), at: now + .seconds(1000))
        },
        Row("replace while attached", [:]) { $0.replace(at: now + .seconds(1000)) },
    ]

    @Test("each transition leads where it should, and changes nothing where it is not allowed", arguments: rows)
    func transitions(row: Row) {
        for start in Start.allCases {
            var state = Self.session(start)
            let before = Snapshot(state)
            let isDone = row.apply(&state)
            if let phase = row.allowed[start] {
                #expect(isDone && state.phase == phase, "\(row.testDescription) from \(start): \(state.phase)")
            } else {
                #expect(!isDone && Snapshot(state) == before, "\(row.testDescription) from \(start): \(state.phase)")
            }
        }
    }

    @Test(
        "what others wait for is reached in time, and stays reached",
        arguments: [
            (Start.created, []), (.fetching, []), (.waiting, []), (.receiving, [.decided]), (.resuming, [.decided]),
            (.running, [.decided, .settled]), (.endingInQueue, [.endRequested]),
            (.endingInTransfer, [.decided, .endRequested]),
            (.endingVM, [.decided, .settled, .endRequested]), (.ended, [.decided, .settled, .endRequested, .ended]),
        ] as [(Start, [SessionState.Milestone])])
    func milestones(start: Start, reached: [SessionState.Milestone]) {
        let state = Self.session(start)
        #expect(SessionState.Milestone.allCases.filter(state.hasReached) == reached)
        // Whatever comes next takes nothing back.
        for row in Self.rows {
            var next = state
            _ = row.apply(&next)
            for milestone in reached { #expect(next.hasReached(milestone), "\(row.testDescription)") }
        }
    }

    @Test("a VM that runs is known to the client only when it was announced, once, and not after a request to end")
    func announcement() {
        var state = Self.session(.resuming)
        let details = ServerMessage.Details(forwards: [Self.forward])
        #expect(state.run("vm-1", details) && state.phase == .running)
        #expect(!state.hasReached(.settled) && state.status.stage == .running && state.status.vm == "vm-1")
        #expect(state.status.forwards == ["192.0.2.1 \(Self.forward.forward)"])
        var ending = state
        #expect(ending.requestEnd(.closed) == .accepted && !ending.announce(details))
        #expect(state.announce(details) && state.hasReached(.settled) && !state.announce(details))
    }

    @Test("an ending session shows what it did last, and an ended one why; the first reason stays")
    func shown() {
        for (start, stage, code) in [
            (Start.waiting, SynthesisStage.waiting, CloudletError.Code.interrupted),
            (.receiving, .receiving, .interrupted),
            (.resuming, .resuming, .interrupted), (.running, .running, nil),
        ] as [(Start, SynthesisStage, CloudletError.Code?)] {
            var state = Self.session(start)
            #expect(state.requestEnd(.finished) == .accepted && state.requestEnd(.nodeStopped) == .tooLate)
            #expect(state.status.stage == stage && state.status.endReason == nil && state.endReason == .finished)
            #expect(state.end() == true)
            #expect(state.status.stage == .ended && state.status.endReason == .finished && state.status.failure == code)
            #expect(state.endError.message == "the client is done" && state.endError.code == code ?? .unavailable)
        }
        var broken = Self.session(.running)
        #expect(broken.requestEnd(.vmFailed(Self.failure)) == .accepted && broken.end())
        #expect(broken.status.failure == .badData && broken.endError.message == "the VM failed: blob 1 is damaged")
        var unused = Self.session(.created)
        #expect(unused.endIfUnused() && unused.status.failure == nil && unused.status.endReason == .unused)
    }

    @Test("a failed synthesis gives its client the error itself, whose causes may be kept from strangers")
    func failed() {
        let error = CloudletError(.io, "can't read", cause: CloudletError(.notFound, "/home/ann/x"))
        var state = Self.session(.receiving)
        #expect(state.fail(error) && state.endError.message == "can't read" && state.endError.code == .io)
        #expect(state.status.endReason?.description == error.description && state.status.failure == .io)
    }

    @Test("each byte is reported once, and only news: a percent more, another position")
    func reports() {
        var state = Self.session(.waiting)
        #expect(state.note(.waiting(position: 2)) == .queued(position: 2) && state.status.queuePosition == 2)
        #expect(state.note(.waiting(position: 2)) == nil)
        #expect(state.note(.waiting(position: 1)) == .queued(position: 1))
        #expect(state.admit() && state.status.queuePosition == nil)
        #expect(state.note(.received(bytes: 4)) == .received(percent: 0))
        #expect(state.note(.received(bytes: 5)) == nil)
        #expect(state.note(.received(bytes: 1)) == .received(percent: 1) && state.status.receivedBytes == 10)
        #expect(state.note(.received(bytes: 990)) == .received(percent: 100))
        #expect(state.note(.resuming) == .resuming && state.note(.resuming) == nil)
        #expect(SessionReport.queued(position: 2).message == .progress(stage: .waiting, percent: nil, position: 2))
        #expect(SessionReport.received(percent: 7).message == .progress(stage: .receiving, percent: 7))
        #expect(SessionReport.resuming.message == .progress(stage: .resuming, percent: nil))
    }

    @Test(
        "blobs that a VM that boots does not need are neither requested nor counted, and its status says why it boots")
    func boot() {
        var state = Self.session(.waiting)
        let isAdmitted = state.admit(without: [0, 2], bytes: 600)
        #expect(isAdmitted)
        #expect(state.transfer.resumePoint == .init(received: [0, 2], first: nil))
        #expect(state.note(.received(bytes: 200)) == .received(percent: 50))
        let details = ServerMessage.Details(boot: BootReport(reason: "made under kvm"))
        #expect(state.status.bootReason == nil && state.run("vm-1", details))
        #expect(state.status.bootReason == "made under kvm")
        // The next node knows it too.
        #expect(SessionState(adopting: state.status, at: Self.now).status.bootReason == "made under kvm")
        guard state.announce(details), case .running(details)? = state.outcome else {
            Issue.record("another outcome")
            return
        }
    }

    @Test("the words for the ends of sessions are those that clients and lists know")
    func words() {
        let words: [(EndReason, String)] = [
            (.finished, "the client is done"), (.closed, "the client closed it"),
            (.disconnected, "the client closed the connection"), (.clientFault(Self.failure), "blob 1 is damaged"),
            (.reconnectTimeout, "the client's connection was lost, and it did not reconnect in time"),
            (.replaced, "its client lost the connection and began another session"), (.unused, "it was not used"),
            (.stopped, "it was stopped on the node"), (.nodeStopped, "the node stops"),
            (.failed(Self.failure), "blob 1 is damaged"), (.vmEnded, "the VM ended by itself"),
            (.vmFailed(Self.failure), "the VM failed: blob 1 is damaged"),
        ]
        for (reason, text) in words { #expect(reason.description == text) }
        #expect(words.compactMap { $0.0.failure } == [.badData, .badData])
    }
}
