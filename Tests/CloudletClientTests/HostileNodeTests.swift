// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Dispatch
import Synchronization
import Testing

@testable import CloudletClient

/// The client with nodes that break the protocol, send without end, or close the connection at any point.
@Suite(.timeLimit(.minutes(1))) struct HostileNodeTests {
    private let overlays: Overlays
    init() throws { overlays = try Overlays() }

    /// Sends an overlay to a node that never starts a VM.
    private func error(from node: ScriptedNode, _ overlay: OverlaySource? = nil) async throws -> CloudletError {
        let overlay = try overlay ?? overlays.overlay()
        return try #require(
            await #expect(throws: CloudletError.self) {
                try await node.client.synthesize(overlay) { _ in Issue.record("the VM runs") }
            })
    }

    // MARK: - A failure during the upload

    @Test("a failure ends the upload even if the node does not read any more")
    func failureDuringUpload() async throws {
        let isReported = DispatchSemaphore(value: 0)
        defer { isReported.signal() }
        let node = try ScriptedNode { connection in
            connection.send(.success(.sendMeta))
            try connection.request("b0")
            connection.send(.fail(reason: "the disk is full", code: "system"))
            // The blob is larger than the system's buffers, so the client waits until it acts on the failure.
            isReported.wait()
        }
        let error = try await error(from: node, try overlays.overlay([32 << 20]))
        #expect(error.code == .system && error.message == "the node says: the disk is full")
    }

    @Test("a reason that arrives just before the connection is lost is reported", arguments: 0..<20)
    func failureBeforeLoss(round: Int) async throws {
        let node = try ScriptedNode { connection in
            connection.send(.success(.sendMeta))
            try connection.request("b0")
            _ = connection.receive(bytes: round * 100_000)
            connection.send(.fail(reason: "the disk is full", code: "system"))
            throw Closing()
        }
        let error = try await error(from: node, try overlays.overlay([4 << 20]))
        #expect(error.code == .system && error.message == "the node says: the disk is full")
        #expect(node.connections == 1)
    }

    // MARK: - Endless messages

    @Test("of endless reports during the upload the last one counts")
    func endlessReports() async throws {
        let overlay = try overlays.overlay([16 << 20])
        let last = SynthesisClientProgress.stage(.resuming, percent: 42)
        let node = try ScriptedNode { connection in
            try connection.request("b0")
            for number in 0..<20_000 {
                connection.send(.progress(stage: .receiving, percent: UInt64(number % 100)))
            }
            connection.send(.progress(stage: .resuming, percent: 42))
            _ = connection.receive(bytes: 16 << 20)
            connection.send(.synthesisDone())
            try connection.finish()
        }
        let latest = Mutex<SynthesisClientProgress?>(nil)
        try await node.client.synthesize(overlay) { step in
            if case .stage = step { latest.withLock { $0 = step } }
        } while: { _ in
        }
        #expect(latest.withLock { $0 } == last)
    }

    @Test("a user can leave a node that reports progress forever")
    func endlessProgress() async throws {
        let overlay = try overlays.overlay()
        let steps = AsyncEvent()
        let node = try ScriptedNode { connection in
            let report = Frame.encode(ServerMessage.progress(stage: .resuming, percent: 1).value)
            while connection.send(report) {}
        }
        let work = Task { () async -> CloudletError? in
            do throws(CloudletError) {
                try await node.client.synthesize(overlay) { _ in
                    steps.set()
                } while: { _ in
                }
                return nil
            } catch {
                return error
            }
        }
        await steps.wait()
        work.cancel()
        #expect(await work.value?.code == .interrupted)
        #expect(node.closed == 1)
    }

    @Test(
        "messages that nobody asked for end the transfer",
        arguments: [
            ServerMessage.success(.createSession, session: SessionID(8)), .success(.finish), .success(.closeSession),
            .onDemand("b9"), .onDemand("b0"),
            .synthesisDone(
                .init(forwards: [
                    .init(address: "example.org; reboot", forward: PortForward(.tcp, hostPort: 1, guestPort: 2))
                ])),
            // The client does not allow it.
            .synthesisDone(.init(boot: BootReport(reason: "it pleased me"))),
        ])
    func wrongMessages(message: ServerMessage) async throws {
        let node = try ScriptedNode { connection in
            try connection.request("b0")
            _ = connection.receive(bytes: 100)
            connection.send(message)
        }
        #expect(try await error(from: node).code == .protocolViolation)
        #expect(node.connections == 1 && node.closed == 1)
    }

    @Test(
        "a session is not created by anything but its confirmation",
        arguments: [
            ServerMessage.success(.finish), .success(.createSession), .success(.createSession, session: SessionID(0)),
            .synthesisDone(), .onDemand("b0"), .progress(stage: .resuming, percent: nil),
        ])
    func wrongCreation(message: ServerMessage) async throws {
        let node = try ScriptedNode { _ in
        } creation: {
            $0.send(message)
        }
        #expect(try await error(from: node).code == .protocolViolation)
        #expect(node.connections == 0)
    }

    @Test("a report in place of the confirmed end is a breach of the protocol")
    func wrongEnd() async throws {
        let node = try ScriptedNode { connection in
            connection.send(.synthesisDone())
            _ = connection.receive()
            connection.send(.progress(stage: .resuming, percent: nil))
        }
        let error = await #expect(throws: CloudletError.self) {
            try await node.client.synthesize(try overlays.overlay([])) { _ in }
        }
        #expect(error?.code == .protocolViolation)
    }

    // MARK: - Silence and the end of the connection

    @Test("a node that does not answer is given up after the timeout")
    func silence() async throws {
        let silent = try ScriptedNode { _ in
        } creation: { _ in
        }
        #expect(try await error(from: silent).message == "127.0.0.1 did not answer within 0.5 s")
        let unfinished = try ScriptedNode { $0.send(.synthesisDone()) }
        let error = await #expect(throws: CloudletError.self) {
            try await unfinished.client.synthesize(try overlays.overlay([])) { _ in }
        }
        #expect(error?.code == .unavailable && unfinished.closed == 1)
    }

    /// The points of a transfer at which a node can close the connection.
    enum Point: Int, CaseIterable { case start, partOfMessage, accepted, requested, partOfBlob, sent }

    @Test("a transfer continues on a new connection, wherever the connection ended", arguments: Point.allCases)
    func closing(point: Point) async throws {
        let overlay = try overlays.overlay([1 << 20])
        let node = try ScriptedNode { connection in
            if point == .partOfMessage { connection.send([0, 0, 0]) }
            if point.rawValue >= Point.accepted.rawValue { connection.send(.success(.sendMeta)) }
            if point.rawValue >= Point.requested.rawValue { try connection.request("b0") }
            if point == .partOfBlob { _ = connection.receive(bytes: 1 << 10) }
            if point == .sent { _ = connection.receive(bytes: 1 << 20) }
            throw Closing()
        } later: { connection in
            try connection.receiveBlobs(of: overlay)
            connection.send(.synthesisDone())
            try connection.finish()
        }
        try await node.client.synthesize(overlay) { _ in }
        #expect(node.connections == 2)
    }

    @Test(
        "a node that closes every connection without an answer is given up", arguments: [[], [0, 0, 0]] as [[UInt8]])
    func closingAlways(bytes: [UInt8]) async throws {
        let node = try ScriptedNode { connection in
            connection.send(bytes)
            throw Closing()
        }
        #expect(try await error(from: node).code == .unavailable)
        #expect(node.connections > 1 && node.closed == 1)
    }

    @Test("a VM that runs is given up when the connection ends")
    func closingWithVM() async throws {
        let node = try ScriptedNode { connection in
            connection.send(.synthesisDone())
            throw Closing()
        }
        let isCancelled = Mutex(false)
        let error = await #expect(throws: CloudletError.self) {
            try await node.client.synthesize(try overlays.overlay([])) { _ in
                do { try await Task.sleep(for: .seconds(60)) } catch { isCancelled.withLock { $0 = true } }
            }
        }
        #expect(error?.code == .unavailable && isCancelled.withLock { $0 })
        #expect(node.connections == 1 && node.closed == 1)
    }

    @Test(
        "a connection that ends before the session is created is an error",
        arguments: [[], [0, 0, 0], [0, 0, 0, 9, 1]] as [[UInt8]])
    func closingAtCreation(bytes: [UInt8]) async throws {
        let node = try ScriptedNode { _ in
        } creation: { connection in
            connection.send(bytes)
            throw Closing()
        }
        #expect(try await error(from: node).code == .unavailable)
    }
}
