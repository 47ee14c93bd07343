// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletTestSupport
import CloudletWire
import Synchronization
import Testing

@testable import CloudletClient

/// The client with a node that keeps to the protocol.
@Suite(.timeLimit(.minutes(1))) struct SynthesisClientTests {
    private let overlays: Overlays
    init() throws { overlays = try Overlays() }

    /// Collects the steps that a client reports.
    private final class Steps: Sendable {
        private let list = Mutex<[SynthesisClientProgress]>([])
        var all: [SynthesisClientProgress] { list.withLock { $0 } }
        func add(_ step: SynthesisClientProgress) { list.withLock { $0.append(step) } }
    }

    @Test("a whole session: the node's reports, the blobs it requests, the VM, and the end")
    func session() async throws {
        let overlay = try overlays.overlay([300_000, 0, 44])
        let node = try ScriptedNode { [meta = overlay.meta] connection in
            connection.send(.progress(stage: nil, percent: nil, position: 2))
            connection.send(.success(.sendMeta))
            for index in [2, 0, 1] {
                try connection.request(meta.blobs[index].name)
                let blob = connection.receive(bytes: meta.blobs[index].size)
                #expect(blob == [UInt8](repeating: 7, count: meta.blobs[index].size))
            }
            connection.send(.progress(stage: .resuming, percent: 42))
            connection.send(
                .synthesisDone(
                    .init(forwards: [
                        .init(address: "127.0.0.9", forward: PortForward(.udp, hostPort: 2221, guestPort: 22)),
                        .init(address: "127.0.0.9", forward: PortForward(.tcp, hostPort: 2223, guestPort: 22)),
                    ])))
            try connection.finish()
        }
        let steps = Steps()
        try await node.client.synthesize(overlay, progress: steps.add) { vm in
            #expect(vm.host == "127.0.0.9" && vm.port(of: 22) == 2223 && vm.port(of: 80) == nil)
            #expect(vm.session == ScriptedNode.session)
        }
        let sent = [44, 44 + 262_144, 300_044].map { SynthesisClientProgress.sent($0) }
        #expect(steps.all == [.queued(position: 2)] + sent + [.stage(.resuming, percent: 42)])
        #expect(node.connections == 1 && node.closed == 0)
    }

    @Test("the client announces what it can do, and whether ports may be moved", arguments: [true, false])
    func announcement(movesForwards: Bool) async throws {
        let overlay = try overlays.overlay([])
        let node = try ScriptedNode { connection in
            connection.send(.synthesisDone())
            try connection.finish()
        }
        try await node.client.synthesize(overlay, moveForwards: movesForwards) { _ in }
        var expected = ClientMessage.SendMeta(size: overlay.metaBytes.count, session: ScriptedNode.session)
        (expected.appName, expected.apiVersion) = ("face", ProtocolVersion.current)
        (expected.wantsProgress, expected.resumes, expected.moveForwards) = (true, true, movesForwards)
        #expect(node.announcements == [expected])
    }

    @Test("a VM without reported forwards has those of the overlay, at the address that the client used")
    func reportedAddress() async throws {
        let overlay = try overlays.overlay([])
        let answers: [[ServerMessage.ReportedForward]?] = [
            nil, [], [.init(address: "0.0.0.0", forward: PortForward(.tcp, hostPort: 1, guestPort: 22))],
        ]
        for answer in answers {
            let node = try ScriptedNode {
                $0.send(.synthesisDone(answer.map { .init(forwards: $0) }))
                try $0.finish()
            }
            try await node.client.synthesize(overlay) { vm in
                #expect(vm.host == "127.0.0.1" && vm.forwards == answer?.map(\.forward) ?? overlay.meta.forwards)
            }
        }
    }

    @Test("a VM that was booted is told with the reason to a client that allows it")
    func boot() async throws {
        let overlay = try overlays.overlay([10])
        let report = BootReport(reason: "made under kvm", differences: ["the accelerator is tcg instead of kvm"])
        let node = try ScriptedNode {
            $0.send(.synthesisDone(.init(boot: report)))
            try $0.finish()
        }
        try await node.client.synthesize(overlay, allowsBoot: true) { #expect($0.boot == report) }
        let resuming = try ScriptedNode {
            $0.send(.synthesisDone(.init()))
            try $0.finish()
        }
        try await resuming.client.synthesize(overlay, allowsBoot: true) { #expect($0.boot == nil) }
    }

    @Test("a transfer goes on over a new connection, and bytes sent again count once")
    func reconnection() async throws {
        let overlay = try overlays.overlay([300_000])
        let node = try ScriptedNode { connection in
            connection.send(.success(.sendMeta))
            try connection.request("b0")
            _ = connection.receive(bytes: 100_000)
            throw Closing()
        } later: { connection in
            try connection.receiveBlobs(of: overlay)
            connection.send(.synthesisDone())
            try connection.finish()
        }
        let steps = Steps()
        try await node.client.synthesize(overlay, progress: steps.add) { _ in }
        #expect(steps.all.last == .sent(300_000) && node.connections == 2)
    }

    @Test("bytes of a blob that are sent again count once")
    func sentBytes() {
        let sent = SentBytes()
        #expect([sent.note(300, of: 0), sent.note(100, of: 0), sent.note(5, of: 1)] == [300, 300, 305])
    }

    @Test("a node that answers on each connection is tried for longer than the time for one reconnection")
    func repeatedReconnection() async throws {
        let connections = Atomic(1)
        let node = try ScriptedNode { connection in
            // The pauses before the reconnections are 0.1, 0.2, 0.4 and 0.8 s; the time for one is 0.5 s.
            guard connections.add(1, ordering: .relaxed).oldValue >= 5 else {
                connection.send(.success(.sendMeta))
                throw Closing()
            }
            connection.send(.synthesisDone())
            try connection.finish()
        }
        try await node.client.synthesize(try overlays.overlay([])) { _ in }
        #expect(node.connections == 5)
    }

    @Test("what the body throws ends the session and reaches the caller")
    func failingBody() async throws {
        let node = try ScriptedNode { $0.send(.synthesisDone()) }
        let error = await #expect(throws: CloudletError.self) {
            try await node.client.synthesize(try overlays.overlay([])) { _ in throw CloudletError(.usage, "mine") }
        }
        #expect(error?.message == "mine" && node.closed == 1)
    }

    @Test("a node's reason reaches the caller with its code, at every point", arguments: 0..<4)
    func reasons(point: Int) async throws {
        let overlay = try overlays.overlay()
        let failure = ServerMessage.fail(reason: "no room\u{1B}[2J", code: "busy")
        let node = try ScriptedNode { connection in
            if point == 1 { return connection.send(failure) }
            try connection.receiveBlobs(of: overlay)
            if point == 2 { return connection.send(failure) }
            connection.send(.synthesisDone())
            connection.send(failure)
        } creation: { connection in
            connection.send(point == 0 ? failure : .success(.createSession, session: ScriptedNode.session))
        }
        let error = await #expect(throws: CloudletError.self) {
            try await node.client.synthesize(overlay) { _ in try await Task.sleep(for: .seconds(60)) }
        }
        #expect(error?.code == .busy && error?.message == "the node says: no room\u{FFFD}[2J")
        #expect(node.closed == (point == 0 ? 0 : 1))
    }

    @Test("without a node there is an error, and not a wait")
    func noNode() async throws {
        let port = try #require(Listener()).port
        let client = SynthesisClient(.init(host: "127.0.0.1", port: port))
        let error = await #expect(throws: CloudletError.self) { try await client.createSession() }
        #expect(error?.code == .unavailable && error?.advice != nil)
    }
}
