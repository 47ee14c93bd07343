// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

@testable import CloudletCommands

/// How commands read their arguments, and how they print their results.
@Suite struct FormattingTests {
    @Test("a session is listed with its known values, and without control characters from its client")
    func sessions() throws {
        var record = SessionRecord(id: SessionID(1), stage: .running, client: "192.0.2.1", created: 100)
        (record.app, record.base) = (
            "fa\u{1B}[2Jce" + String(repeating: "x", count: 40), String(repeating: "ab", count: 32)
        )
        record.forwards = ["tcp:1::2", "tcp:3::4"]
        let live = SessionListing([record], withEnded: false, now: 160).table.text.split(separator: "\n")
        #expect(live.count == 2)
        let cells = live[1].split(separator: " ").map(String.init)
        #expect(cells[0...2] == ["1", "running", "192.0.2.1"] && cells[4] == "abababababab", "\(cells)")
        #expect(cells[5...] == ["60.000", "s", "tcp:1::2,", "tcp:3::4"], "\(cells)")
        #expect(!live[1].contains("\u{1B}") && !live[1].contains(String(repeating: "x", count: 40)))
        (record.ended, record.reason, record.failure) = (130, "the client is done", "busy")
        let listing = SessionListing([record], withEnded: true, now: 160)
        #expect(listing.table.text.contains("30.000 s") && listing.table.text.contains("the client is done"))
        let json = String(decoding: try JSONEncoder().encode(listing.entries), as: UTF8.self)
        for part in [#""id":"1""#, #""age":60"#, #""received_bytes":0"#, #""failure":"busy""#] {
            #expect(json.contains(part), "\(json)")
        }
        #expect(!json.contains("place") && !json.contains("boot"))
        (record.stage, record.bootReason) = (.running, "made under kvm")
        let booted = SessionListing([record], withEnded: false, now: 160)
        #expect(booted.table.text.contains("running (booted)"))
        let entries = String(decoding: try JSONEncoder().encode(booted.entries), as: UTF8.self)
        #expect(entries.contains(#""boot_reason":"made under kvm""#), "\(entries)")
    }

    @Test("an overlay is named after its directory, without characters that file names must not have")
    func overlayName() {
        for (path, name) in [
            ("/a/face", "face"), ("/a/face.v2.d", "face"), ("face/", "face"), ("/a/b/../c", "c"), ("/", "overlay"),
            ("a b/c\u{7}d", "c_d"),
        ] {
            #expect(FilePath(path).overlayName == name, "\(path)")
        }
    }

    @Test("forwards after '--' are read, and other arguments there are refused with a reason")
    func forwards() throws {
        func forwards(_ words: String...) throws -> [PortForward] {
            try CustomiseOptions.parse(["--"] + words).forwards()
        }
        let read = try forwards("-redir", "tcp:2222::22", "--redir", "udp:0::53")
        #expect(read.map(\.description) == ["tcp:2222::22", "udp:0::53"])
        #expect(try forwards("-redir", "tcp:0::22", "-redir", "tcp:0::23").count == 2)
        for (words, reason) in [
            (["-nographic"], "is not understood"), (["-redir"], "is not understood"), (["-redir", "tcp:1"], "tcp:1"),
            (["-redir", "tcp:70000::22"], "70000"),
            (["-redir", "tcp:80::1", "-redir", "tcp:80::2"], "forwarded twice"),
        ] {
            let error = #expect(throws: CloudletError.self) { try CustomiseOptions.parse(["--"] + words).forwards() }
            #expect(error?.code == .usage && error?.description.contains(reason) == true, "\(error as Any)")
        }
        #expect(try forwards("-redir", "tcp:80::1", "-redir", "udp:80::1").count == 2)
    }

    @Test("the port to wait for and SSH get temporary forwards if the user gave none for them")
    func temporaryForwards() throws {
        let given = [PortForward(hostPort: 2222, guestPort: 22)]
        func temporary(_ arguments: String..., ssh: Bool = false) throws -> [UInt16] {
            try CustomiseOptions.parse(arguments).temporaryForwards(beside: given, ssh: ssh).map(\.guestPort)
        }
        #expect(try temporary("--until-port", "80") == [80])
        #expect(try temporary("--until-port", "22").isEmpty)
        #expect(try temporary("--provision", "p").isEmpty && temporary(ssh: true).isEmpty)
        let options = try CustomiseOptions.parse(["--until-port", "80", "--provision", "p"])
        #expect(options.temporaryForwards(beside: []).map(\.guestPort) == [80, 22])
        #expect(options.temporaryForwards(beside: []).allSatisfy { $0.hostPort == 0 })
    }

    @Test("units of sizes are powers of 1024, and the size of blobs is limited")
    func sizes() throws {
        for (word, bytes) in [("4096", 4096), ("64k", 64 << 10), ("4M", 4 << 20), ("1G", 1 << 30)] {
            #expect(SizeArgument(argument: word)?.bytes == bytes)
        }
        #expect(SizeArgument(argument: "2GiB")?.bytes == 2 << 30)
        for word in ["", "M", "0", "-1", "1.5M", "9223372036854775807K", "1T"] {
            #expect(SizeArgument(argument: word) == nil, "\(word)")
        }
        for (word, mebibytes) in [("256", 256), ("4GiB", 4096), ("8g", 8192), ("512M", 512), ("1048576k", 1024)] {
            #expect(MemoryArgument(argument: word)?.mebibytes == mebibytes)
        }
        #expect("\(MemoryArgument(mebibytes: 1024)) \(MemoryArgument(mebibytes: 1536))" == "1GiB 1536MiB")
        for word in ["", "4GB", "0", "-4", "1k", "1.5G", "9007199254740993G"] {
            #expect(MemoryArgument(argument: word) == nil, "\(word)")
        }
        for size in ["63K", "2G"] {
            var options = OverlayOptions(name: "a")
            let error = #expect(throws: CloudletError.self) {
                try CompressionOptions.parse(["--blob-size", size]).apply(to: &options)
            }
            #expect(error?.code == .usage && error?.description.contains("64K to 1G") == true)
        }
        var options = OverlayOptions(name: "a")
        try CompressionOptions.parse(["--blob-size", "2M", "--compression-memory", "64M"]).apply(to: &options)
        #expect(options.blobBytes == 2 << 20 && options.compressionMemory == 64 << 20)
        for words in [["--level", "10"], ["--compression", "zstd", "--level", "20"], ["--long", "27"]] {
            let error = #expect(throws: CloudletError.self) {
                var options = OverlayOptions(name: "a")
                try CompressionOptions.parse(words).apply(to: &options)
            }
            #expect(error?.code == .usage, "\(words)")
        }
    }

    @Test("a viewer or provisioning program that can't be run is refused before the VM runs")
    func programs() throws {
        #expect(try Viewer(choice: "none") == nil)
        #expect(try Viewer(choice: "/bin/true")?.name == "/bin/true")
        let viewer = #expect(throws: CloudletError.self) { try Viewer(choice: "/nonexistent/viewer") }
        #expect(viewer?.code == .notFound)
        let options = try CustomiseOptions.parse(["--provision", "/nonexistent/script"])
        let error = #expect(throws: CloudletError.self) { try Customisation(options) }
        #expect(error?.code == .notFound && error?.description.contains("chmod +x") == true)
        let scripted = try Customisation(CustomiseOptions.parse(["--until-port", "22"]))
        #expect(!scripted.needsDisplay)
    }

    @Test("a table aligns its columns and has no blanks at the ends of lines")
    func table() {
        var table = TextTable("A", "LONG", "C")
        table.add("wide cell", "1", "")
        #expect(table.text == "A          LONG  C\nwide cell  1")
    }
}
