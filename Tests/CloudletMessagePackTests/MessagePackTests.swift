// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletMessagePack
import CloudletTestSupport
import Testing

@Suite struct MessagePackTests {
    private func encode(_ value: MessagePackValue) -> [UInt8] {
        var writer = MessagePackWriter()
        writer.write(value)
        return writer.bytes
    }

    private func decode(_ bytes: [UInt8]) throws -> MessagePackValue {
        var reader = MessagePackReader(bytes.span)
        let value = try reader.readValue()
        try reader.requireEnd()
        return value
    }

    @Test(
        "values take the shortest form, text the old raw form only",
        arguments: [
            (MessagePackValue.unsigned(0x7F), "7f"), (.unsigned(0x80), "cc80"), (.unsigned(256), "cd0100"),
            (.unsigned(65536), "ce00010000"), (.unsigned(1 << 32), "cf0000000100000000"),
            (.negative(-1), "ff"), (.negative(-33), "d0df"), (.negative(-129), "d1ff7f"),
            (.negative(-32769), "d2ffff7fff"), (.negative(-2_147_483_649), "d3ffffffff7fffffff"),
            (.nil, "c0"), (.bool(true), "c3"), (.bool(false), "c2"), (.double(1.5), "cb3ff8000000000000"),
            (.text("abc"), "a3616263"), (.array([.unsigned(1), .unsigned(2)]), "920102"),
            (.record(("a", .unsigned(1))), "81a16101"),
        ])
    func shortestForms(value: MessagePackValue, bytes: String) throws {
        #expect(encode(value) == hex(bytes))
        #expect(try decode(hex(bytes)) == value)
    }

    @Test("raw values change their form at 32 bytes and 64 KiB, never to str8 or bin")
    func rawForms() {
        #expect(encode(.raw(Array(repeating: 1, count: 31)))[0] == 0xBF)
        #expect(Array(encode(.raw(Array(repeating: 1, count: 32))).prefix(3)) == hex("da0020"))
        #expect(Array(encode(.raw(Array(repeating: 1, count: 0x10000))).prefix(5)) == hex("db00010000"))
        #expect(Array(encode(.array(Array(repeating: .nil, count: 16))).prefix(3)) == hex("dc0010"))
    }

    @Test(
        "what newer encoders write is read",
        arguments: [
            ("d903616263", MessagePackValue.text("abc")), ("c403010203", .raw([1, 2, 3])),
            ("c500020102", .raw([1, 2])), ("d2000000ff", .unsigned(255)), ("d07f", .unsigned(127)),
            ("ca3fc00000", .double(1.5)), ("de000181a0", .nil),
        ])
    func newerForms(bytes: String, value: MessagePackValue) throws {
        guard bytes != "de000181a0" else {
            #expect(throws: MessagePackError.self) { try decode(hex(bytes)) }
            return
        }
        #expect(try decode(hex(bytes)) == value)
    }

    @Test(
        "damaged and hostile input is refused with its position",
        arguments: [
            ("", MessagePackError.Problem.truncated), ("a3", .truncated), ("da00", .truncated), ("cf00", .truncated),
            ("ddffffffff00", .impossibleCount(0xFFFF_FFFF)), ("dfffffffff00", .impossibleCount(0xFFFF_FFFF)),
            ("c7", .unsupportedMarker(0xC7)), ("c1", .unsupportedMarker(0xC1)), ("0101", .trailingBytes(1)),
        ])
    func refusals(bytes: String, problem: MessagePackError.Problem) {
        let error = #expect(throws: MessagePackError.self) { try decode(hex(bytes)) }
        #expect(error?.problem == problem)
    }

    @Test("nesting is bounded, for trees and for skipping")
    func depth() {
        let deep = Array(repeating: UInt8(0x91), count: 100) + [0xC0]
        #expect(throws: MessagePackError.self) { try decode(deep) }
        var reader = MessagePackReader(deep.span)
        #expect(throws: MessagePackError.self) { try reader.skipValue() }
    }

    @Test("reading value by value gives the same as reading a tree")
    func pulling() throws {
        let bytes = encode(
            .record(("list", .array([.unsigned(7), .unsigned(300)])), ("name", .text("x")), ("u", .nil)))
        var reader = MessagePackReader(bytes.span)
        #expect(try reader.readMapHeader() == 3)
        #expect(try reader.readText() == "list")
        #expect(try reader.readArrayHeader() == 2)
        #expect(try reader.readUnsigned() == 7)
        #expect(try reader.readUnsigned() == 300)
        #expect(try reader.readText() == "name")
        try reader.skipValue()
        #expect(try reader.readText() == "u")
        try reader.skipValue()
        try reader.requireEnd()
    }

    @Test("a negative number is not read as unsigned, nor a text as a number")
    func wrongTypes() {
        for bytes in ["ff", "d0ff", "a161", "c0"] {
            let input = hex(bytes)
            var reader = MessagePackReader(input.span)
            #expect(throws: MessagePackError.self) { try reader.readUnsigned() }
        }
        let notUTF8 = hex("a2c328")
        var reader = MessagePackReader(notUTF8.span)
        #expect(throws: MessagePackError.self) { try reader.readText() }
    }
}
