// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletTestSupport
import CloudletWire
import Testing

/// Messages as captured from the original (elijah-0.8 reference, section 4.4).
@Suite struct MessageTests {
    private static let session = SessionID(73_166_159_719_237_333)

    private func message(_ bytes: [UInt8]) throws -> MessagePackValue {
        var frames = FrameReader()
        var input = bytes[...]
        guard case .message(let value) = try frames.next(&input) else { throw WireError.malformed("no message") }
        #expect(input.isEmpty)
        return value
    }

    private func key(_ text: String) -> String { text }

    @Test(
        "the original's server messages are written byte for byte and read",
        arguments: [
            (
                ServerMessage.success(.createSession, session: session),
                "00000031 83 a7636f6d6d616e64 01 aa73657373696f6e5f6964 cf0103f03c0fa506d5 b17265717565737465645f636f6d6d616e64 15"
            ),
            (.success(.sendMeta), "0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 11"),
            (.success(.finish), "0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 13"),
            (.success(.closeSession), "0000001d 82 a7636f6d6d616e64 01 b17265717565737465645f636f6d6d616e64 16"),
            (
                .fail(reason: "No matching Base VM"),
                "00000026 82 a7726561736f6e73 b34e6f206d61746368696e67204261736520564d a7636f6d6d616e64 02"
            ),
            (
                .fail(reason: "resource function is not implemented"),
                "00000039 82 a7726561736f6e73 da0024 7265736f757263652066756e6374696f6e206973206e6f7420696d706c656d656e746564 a7636f6d6d616e64 02"
            ),
            (
                .onDemand("tiny.overlay_1.xz"),
                "00000025 82 a8626c6f625f757269 b174696e792e6f7665726c61795f312e787a a7636f6d6d616e64 03"
            ),
            (.synthesisDone(), "0000000a 81 a7636f6d6d616e64 04"),
        ])
    func serverMessages(message: ServerMessage, bytes: String) throws {
        #expect(Frame.encode(message.value) == hex(bytes))
        #expect(try ServerMessage(try self.message(hex(bytes))) == message)
    }

    private static var meta: ClientMessage.SendMeta {
        var meta = ClientMessage.SendMeta(size: 242, session: session)
        meta.options.displayVNC = true
        return meta
    }

    @Test(
        "the Python client's messages are read and written byte for byte",
        arguments: [
            (ClientMessage.createSession, "0000000a 81 a7636f6d6d616e64 15"),
            (.resourceInfo, "0000000a 81 a7636f6d6d616e64 14"),
            (
                .sendMeta(meta),
                "00000064 84 a96d6574615f73697a65 ccf2 a7636f6d6d616e64 11 b073796e7468657369735f6f7074696f6e 82 b26f7074696f6e5f6561726c795f7374617274 c2 b26f7074696f6e5f646973706c61795f766e63 c3 aa73657373696f6e5f6964 cf0103f03c0fa506d5"
            ),
            (
                .sendOverlay(name: "tiny.overlay_1.xz", size: 13584, session: session),
                "00000046 84 a8626c6f625f757269 b174696e792e6f7665726c61795f312e787a a7636f6d6d616e64 12 aa73657373696f6e5f6964 cf0103f03c0fa506d5 a9626c6f625f73697a65 cd3510"
            ),
            (.closeSession(session), "0000001e 82 a7636f6d6d616e64 16 aa73657373696f6e5f6964 cf0103f03c0fa506d5"),
            (
                .overlayURL("http://h/o.zip", session: session),
                "00000039 83 ab6f7665726c61795f75726c ae687474703a2f2f682f6f2e7a6970 a7636f6d6d616e64 17 aa73657373696f6e5f6964 cf0103f03c0fa506d5"
            ),
        ])
    func pythonMessages(message: ClientMessage, bytes: String) throws {
        #expect(Frame.encode(message.value) == hex(bytes))
        #expect(try ClientMessage(try self.message(hex(bytes))) == message)
    }

    @Test(
        "the Android client's order of keys, and free statistics, are read",
        arguments: [
            (
                "00000064 84 a96d6574615f73697a65 ccf2 aa73657373696f6e5f6964 cf0103f03c0fa506d5 a7636f6d6d616e64 11 b073796e7468657369735f6f7074696f6e 82 b26f7074696f6e5f6561726c795f7374617274 c2 b26f7074696f6e5f646973706c61795f766e63 c3",
                ClientMessage.sendMeta(meta)
            ),
            (
                "00000046 84 a9626c6f625f73697a65 cd3510 aa73657373696f6e5f6964 cf0103f03c0fa506d5 a8626c6f625f757269 b174696e792e6f7665726c61795f312e787a a7636f6d6d616e64 12",
                .sendOverlay(name: "tiny.overlay_1.xz", size: 13584, session: session)
            ),
            (
                "00000038 83 a74d656173757265 b14e6f7420617661696c61626c6520796574 aa73657373696f6e5f6964 cf0103f03c0fa506d5 a7636f6d6d616e64 13",
                .finish(session: session, statistics: [.init(.text("Measure"), .text("Not available yet"))])
            ),
            (
                "00000073 86 b153796e7468657369732053756363657373 cb3fcfc9fe00000000 aa73657373696f6e5f6964 cf0103f03c0fa506d5 a7636f6d6d616e64 13 a741707020456e64 cb400fb4b2e0000000 ac5472616e7366657220456e64 cb3fa965f000000000 a9417070205374617274 cb3fcfd68400000000",
                .finish(
                    session: session,
                    statistics: [
                        .init(.text("Synthesis Success"), .double(Double(bitPattern: 0x3FCF_C9FE_0000_0000))),
                        .init(.text("App End"), .double(Double(bitPattern: 0x400F_B4B2_E000_0000))),
                        .init(.text("Transfer End"), .double(Double(bitPattern: 0x3FA9_65F0_0000_0000))),
                        .init(.text("App Start"), .double(Double(bitPattern: 0x3FCF_D684_0000_0000))),
                    ])
            ),
        ])
    func androidMessages(bytes: String, expected: ClientMessage) throws {
        #expect(try ClientMessage(try message(hex(bytes))) == expected)
    }

    @Test("our additions survive, and the original's keys stand beside them")
    func additions() throws {
        var meta = Self.meta
        meta.appName = "face"
        meta.apiVersion = 1
        meta.wantsProgress = true
        meta.moveForwards = true
        #expect(try ClientMessage(ClientMessage.sendMeta(meta).value) == .sendMeta(meta))
        meta.moveForwards = false
        #expect(try ClientMessage(ClientMessage.sendMeta(meta).value) == .sendMeta(meta))
        let done = ServerMessage.synthesisDone(
            .init(forwards: [
                .init(address: "192.0.2.1", forward: PortForward(hostPort: 2222, guestPort: 22))
            ]))
        #expect(try ServerMessage(done.value) == done)
        let progress = ServerMessage.progress(stage: .resuming, percent: 50)
        #expect(try ServerMessage(progress.value) == progress)
        let failure = ServerMessage.fail(reason: String(repeating: "ü", count: 2000), code: "busy")
        guard case .fail(let reason, "busy") = try ServerMessage(failure.value) else {
            Issue.record("not a failure")
            return
        }
        #expect(reason.utf8.count == 1000)
    }

    private static func meta(_ value: MessagePackValue, version: UInt64? = 1) throws -> ClientMessage.SendMeta? {
        var pairs: [MessagePackValue.Pair] = [
            .init(.text("meta_size"), .unsigned(5)), .init(.text("command"), .unsigned(0x11)),
            .init(.text("allow_boot"), value),
        ]
        if let version { pairs.append(.init(.text("api_version"), .unsigned(version))) }
        guard case .sendMeta(let meta) = try ClientMessage(.map(pairs)) else { return nil }
        return meta
    }

    @Test("a boot is allowed by `true` alone, and only where the client can learn of it")
    func allowedBoot() throws {
        #expect(try Self.meta(.bool(true))?.allowsBoot == true)
        #expect(try Self.meta(.bool(true), version: nil)?.allowsBoot == false)
        let others: [MessagePackValue] = [
            .bool(false), .nil, .unsigned(1), .text("true"), .array([.bool(true)]),
            .record(("allow_boot", .bool(true))),
        ]
        for value in others { #expect(try Self.meta(value)?.allowsBoot == false, "\(value)") }
        var meta = Self.meta
        #expect(ClientMessage.sendMeta(meta).value["allow_boot"] == nil)
        meta.apiVersion = 1
        meta.allowsBoot = true
        #expect(try ClientMessage(ClientMessage.sendMeta(meta).value) == .sendMeta(meta))
    }

    @Test("a report of a boot survives, is cut to its limits, and is refused when it has another form")
    func boot() throws {
        let report = BootReport(reason: "made under kvm", differences: ["a", "b"], applicationAnswered: true)
        let done = ServerMessage.synthesisDone(.init(boot: report))
        #expect(try ServerMessage(done.value) == done)
        let without = ServerMessage.synthesisDone(.init(boot: BootReport(reason: "made under kvm")))
        #expect(try ServerMessage(without.value) == without)
        #expect(ServerMessage.synthesisDone(.init()).value["booted"] == nil)
        func read(_ changes: (String, MessagePackValue)...) throws -> ServerMessage {
            guard case .map(let pairs) = done.value else { return done }
            let keys = changes.map { MessagePackValue.text($0.0) }
            let others = pairs.filter { !keys.contains($0.key) }
            return try ServerMessage(.map(others + changes.map { .init(.text($0.0), $0.1) }))
        }
        let long = String(repeating: "ü", count: 2000)
        let many = MessagePackValue.array([MessagePackValue](repeating: .text(long), count: 1000))
        guard case .synthesisDone(let details?) = try read(("boot_reason", .text(long)), ("boot_differences", many))
        else {
            Issue.record("no details")
            return
        }
        #expect(details.boot?.reason.utf8.count == 1000 && details.boot?.differences.count == 16)
        #expect(details.boot?.differences.allSatisfy { $0.utf8.count == 1000 } == true)
        #expect(try read(("booted", .bool(false))) == .synthesisDone(.init()))
        for (key, value) in [
            ("booted", .unsigned(1)), ("boot_reason", .nil), ("boot_reason", .array([])),
            ("boot_differences", .text("a")),
            ("boot_differences", .array([.unsigned(1)])), ("boot_answered", .unsigned(1)),
        ] as [(String, MessagePackValue)] {
            #expect(throws: WireError.badField(key)) { try read((key, value)) }
        }
        // A boot is not overlooked because something else is missing.
        let alone = MessagePackValue.record(
            ("command", .unsigned(4)), ("booted", .bool(true)), ("boot_reason", .text("x")))
        #expect(throws: WireError.badField("forwards")) { try ServerMessage(alone) }
    }

    @Test("who speaks our additions and says nothing of ports lets them be moved; the original's clients don't")
    func silenceAboutPorts() throws {
        for version in [nil, UInt64(1)] {
            var pairs: [MessagePackValue.Pair] = [
                .init(.text("meta_size"), .unsigned(5)), .init(.text("command"), .unsigned(0x11)),
            ]
            if let version { pairs.append(.init(.text("api_version"), .unsigned(version))) }
            guard case .sendMeta(let meta) = try ClientMessage(.map(pairs)) else {
                Issue.record("no meta")
                return
            }
            #expect(meta.moveForwards == (version != nil))
        }
    }

    @Test("text forms and integer widths of newer encoders are read")
    func newerForms() throws {
        // {"command": int64 0x13 (d3), "session_id": 5} with str8 keys.
        let bytes = hex("82 d907636f6d6d616e64 d30000000000000013 d90a73657373696f6e5f6964 cc05")
        let frame = [0, 0, 0, UInt8(bytes.count)] + bytes
        #expect(try ClientMessage(try message(frame)) == .finish(session: SessionID(5), statistics: []))
    }

    @Test(
        "messages that are none",
        arguments: [
            "00000001 90", "00000001 c0", "0000000a 81 a7636f6d6d616e64 7f", "00000001 80",
            "0000000a 81 a7636f6d6d616e64 12",
            "0000000a 81 a7636f6d6d616e64 11",
        ])
    func refusals(bytes: String) throws {
        let value = try message(hex(bytes))
        #expect(throws: WireError.self) { try ClientMessage(value) }
    }

    @Test("a reason of any size is cut at once, whatever strangers had it made of", .timeLimit(.minutes(1)))
    func longReason() throws {
        // Regional indicators: a run of them is looked through from its beginning to find where a character ends.
        let reason = "because " + String(repeating: "\u{1F1E6}", count: 4 << 20)
        let frame = Frame.encode(ServerMessage.fail(reason: reason).value)
        guard case .fail(let cut, _) = try ServerMessage(try message(frame)) else {
            Issue.record("not a failure")
            return
        }
        #expect(reason.unicodeScalars.starts(with: cut.unicodeScalars) && 996...1000 ~= cut.utf8.count)
    }
}
