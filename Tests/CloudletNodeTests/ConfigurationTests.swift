// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Logging
import SystemPackage
import Testing

@testable import CloudletNode

/// Settings, wherever they come from: what can't be used is refused with its place, its reason and what to give.
@Suite struct ConfigurationTests {
    /// Where a value is set.
    enum Place: CaseIterable {
        case commandLine, environment, file

        var code: CloudletError.Code { self == .commandLine ? .usage : .configuration }
    }

    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// A configuration with one setting whose key has one word.
    private func configuration(_ key: String, _ value: String, in place: Place) async throws -> NodeConfiguration {
        if place == .file {
            let escaped = value.unicodeScalars.map {
                "\\U" + String(Int($0.value) + 1 << 32, radix: 16).dropFirst()
            }.joined()
            _ = try scratch.write("cloudlet.yaml", Array("\(key): \"\(escaped)\"\n".utf8))
        }
        return try NodeConfiguration(
            try await ConfigurationSource(
                options: place == .commandLine ? [key: [value]] : [:],
                environment: place == .environment ? ["CLOUDLET_\(key.uppercased())": value] : [:],
                file: place == .file ? scratch.file("cloudlet.yaml") : nil, isNamed: true))
    }

    /// How the origin is told.
    private func origin(_ key: String, _ place: Place) -> String {
        switch place {
        case .commandLine: "command line"
        case .environment: "environment CLOUDLET_\(key.uppercased())"
        case .file: scratch.file("cloudlet.yaml").string
        }
    }

    private func expectRefusal(
        _ key: String, _ value: String, _ place: Place, _ parts: String...
    ) async {
        let error = await #expect(throws: CloudletError.self) { try await configuration(key, value, in: place) }
        guard let error else { return }
        #expect(error.code == place.code, "\(error)")
        for part in [key, origin(key, place)] + parts {
            #expect(error.description.contains(part), "\(part) in \(error)")
        }
        #expect(!error.description.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x61C }, "\(error)")
    }

    @Test(
        "a name of which nothing can be seen is refused",
        arguments: [
            "   ", "\t\n", "\u{1}\u{7F}\u{85}", "\u{61C}\u{200E}\u{202E}", "\u{200D}\u{200C}", "\u{A0}\u{2003}\u{3000}",
            "\u{AD}\u{3164}\u{FE0F}", "\u{2800}", "\u{2028}", String(repeating: " ", count: 300),
            String(repeating: "\u{200B}", count: 5000),
        ], Place.allCases)
    func invisibleName(name: String, place: Place) async {
        await expectRefusal(
            "name", name, place, "is not a valid value for name", "it has no visible character",
            "a letter, a digit or another visible character")
    }

    @Test(
        "any other name is cleaned once, and is then the same in the list of settings, in the record and for itself",
        arguments: [
            (String(repeating: "ü", count: 150), String(repeating: "ü", count: 31)),
            (String(repeating: "x", count: 300), String(repeating: "x", count: 63)),
            (String(repeating: "x", count: 62) + "  y", String(repeating: "x", count: 62)),
            ("  a\tb \n", "a b"), ("a\u{61C}b\u{202E}c\u{1B}[2J", "abc [2J"), ("می\u{200C}رود", "می\u{200C}رود"),
            ("👩\u{200D}🚀", "👩\u{200D}🚀"), ("\u{200D}a", "\u{200D}a"), ("007", "007"), ("yes", "yes"),
            ("Node {configId}", "Node {configId}"),
        ], Place.allCases)
    func cleanedName(name: (given: String, clean: String), place: Place) async throws {
        let found = try await configuration("name", name.given, in: place)
        #expect(found.name == name.clean)
        #expect(found.entries.first { $0.setting.key == "name" }?.text == name.clean)
        let record = NodeRecord(id: NodeID.random(), name: found.name ?? "", httpPort: 1)
        #expect(record.name == name.clean && NodeName.clean(record.name) == name.clean)
    }

    private func configuration(_ options: [String: String]) async throws -> NodeConfiguration {
        try NodeConfiguration(
            try await ConfigurationSource(
                options: options.mapValues { [$0] }, environment: [:], file: nil, isNamed: false))
    }

    @Test("settings without a value have the defaults of what they bound")
    func defaults() async throws {
        let found = try await configuration([:])
        #expect(Admission.Policy(found) == Admission.Policy())
        #expect("\(found.sessionLimits)" == "\(SessionServer.Limits())")
        #expect(found.entries.map(\.text) == NodeSettings.all.map(\.defaultText))
        #expect(Set(NodeSettings.all.map(\.key)).count == 31)
    }

    @Test("values have the types and units of their settings, and are listed in one form")
    func types() async throws {
        let found = try await configuration([
            "session.lease": "0.5", "session.silence": "30.0", "admission.memory-reserve": "64",
            "mdns.enabled": "FALSE",
            "upnp.engine": "libupnp", "log.level": "debug", "listen": " [fd00::1]:1 , :2",
        ])
        #expect(found.lease == .milliseconds(500) && found.idleTimeout == .seconds(30))
        #expect(found.memoryReserve == 64 << 20 && !found.usesMDNS)
        #expect(found.upnpEngine == .libupnp && found.logLevel == .debug)
        let texts = Dictionary(uniqueKeysWithValues: found.entries.map { ($0.setting.key, $0.text) })
        #expect(texts["session.lease"] == "0.5" && texts["session.silence"] == "30")
        #expect(texts["admission.memory-reserve"] == "64" && texts["mdns.enabled"] == "false")
        #expect(texts["listen"] == "[fd00::1]:1,:2")
    }

    @Test("sizes can have a unit, and a size that is too large or not a whole number of MiB is refused with the form")
    func sizes() async throws {
        for (text, bytes) in [("4096", 4 << 30), ("4GiB", 4 << 30), ("4g", 4 << 30), ("512M", 512 << 20), ("0", 0)] {
            let found = try await configuration(["admission.memory-reserve": text])
            #expect(found.memoryReserve == bytes, "\(text)")
            #expect(found.entries.first { $0.setting.key == "admission.memory-reserve" }?.text == "\(bytes >> 20)")
        }
        for text in ["4GB", "10000001", "10000G", "1k", "-1", "9223372036854775807G", ""] {
            let error = await #expect(throws: CloudletError.self) {
                try await configuration(["admission.disk-reserve": text])
            }
            #expect(error?.advice?.contains("such as 4GiB") == true, "\(text): \(error as Any)")
        }
    }

    @Test("a running node takes over what is reloadable, and nothing else")
    func reloaded() async throws {
        let first = try await configuration(["name": "First", "http.port": "8100", "session.lease": "1"])
        let next = try await configuration(["name": "Second", "http.port": "8200", "session.lease": "1"])
        let found = first.reloaded(from: next)
        #expect(found.name == "Second" && found.httpPort == 8100)
        #expect(first.keysChanged(in: found) == ["name"] && found.keysChanged(in: next) == ["http.port"])
        #expect(found != first && found.reloaded(from: first) == first)
    }

    @Test("an empty name is that of the host", arguments: Place.allCases)
    func emptyName(place: Place) async throws {
        #expect(try await configuration("name", "", in: place).name == nil)
    }

    @Test("a list in place of one value is refused, not passed over")
    func list() async throws {
        _ = try scratch.write("list.yaml", Array("name: [a, b]\n".utf8))
        let error = await #expect(throws: CloudletError.self) {
            try await ConfigurationSource(
                options: [:], environment: [:], file: scratch.file("list.yaml"), isNamed: true)
        }
        #expect(error?.code == .configuration && error?.description.contains("list for name") == true)
    }

    @Test(
        "a file that is not valid YAML is refused with the place and the reason, and its text is not repeated",
        arguments: [
            ("name: a\nupnp:\n  port: 1\nsecret: b\nupnp:\n  engine: native\n", "line 2: ", "more than once: 'upnp'"),
            ("name: a\n# secret\na: [", "line 4, column 1: ", "did not find expected"),
            ("name: a\nsecret: \"b\n", "line 3, column 1: ", "unexpected end of stream"),
            ("name: a\nsecret: 1\n\tb: c\n", "line 3, column 1: ", "found a tab character"),
            ("name: a\nx: \u{1}secret\n", "line 2: ", "control characters are not allowed"),
        ])
    func invalidYAML(text: String, line: String, reason: String) async throws {
        _ = try scratch.write("bad.yaml", Array(text.utf8))
        let error = await #expect(throws: CloudletError.self) {
            try await ConfigurationSource(
                options: [:], environment: [:], file: scratch.file("bad.yaml"), isNamed: true)
        }
        let told = try #require(error?.description)
        #expect(told.contains("bad.yaml is not valid YAML: \(line)") && told.contains(reason), "\(told)")
        #expect(!told.contains("secret") && !told.contains("\n"), "\(told)")
    }

    @Test(
        "an address with a zone that it can't have, and a name that is none, are refused with the reason",
        arguments: [
            (
                "listen", "127.0.0.1%eth0:8021", "is not a valid value for listen",
                "an IPv4 address has no zone ('%eth0')"
            ),
            ("listen", "10.0.0.1%1:8021", "is not a valid value for listen", "an IPv4 address has no zone ('%1')"),
            ("listen", "[10.0.0.1%eth0]:8021", "is not a valid value for listen", "an IPv4 address has no zone"),
            ("listen", ":8021,10.0.0.1%1:8022", "'10.0.0.1%1:8022'", "an IPv4 address has no zone"),
            ("listen", "[fd00::1%eth0]:8021", "is not a valid value for listen", "only link-local IPv6 addresses"),
            ("listen", "[fe80::1]:8021", "is not a valid value for listen", "needs its interface"),
            ("listen", "eth0:8021", "is not a valid value for listen", "no IP address"),
            ("listen", "10.0.0.1", "is not a valid value for listen", "no port"),
            ("listen", "10.0.0.1:x", "is not a valid value for listen", "no port"),
            ("interfaces", "127.0.0.1%eth0", "is not a valid value for interfaces", "is an address"),
            ("interfaces", "eth0,10.0.0.1", "'10.0.0.1'", "is an address"),
            ("interfaces", "an interface", "is not a valid value for interfaces", "not a valid name of an interface"),
        ], Place.allCases)
    func addresses(setting: (key: String, value: String, claim: String, reason: String), place: Place) async {
        await expectRefusal(
            setting.key, setting.value, place, setting.claim, setting.reason,
            setting.key == "listen" ? "give ADDRESS:PORT" : "ip -brief address")
    }

    @Test("the same holds for settings below a group, and the port of HTTP is a number")
    func grouped() async throws {
        for (key, value, reason, expected) in [
            ("guest.forward-address", "127.0.0.1%eth0", "no zone ('%eth0')", "an IPv4 address of this host"),
            ("guest.forward-address", "10.0.0.1%1", "no zone ('%1')", "an IPv4 address of this host"),
            ("guest.forward-address", "::1", "an IPv6 address", "an IPv4 address of this host"),
            ("http.port", "127.0.0.1%eth0:80", "is not a valid value for http.port", "a whole number"),
        ] {
            let error = await #expect(throws: CloudletError.self) {
                try NodeConfiguration(
                    try await ConfigurationSource(
                        options: [key: [value]], environment: [:], file: nil, isNamed: false))
            }
            #expect(error?.code == .usage)
            #expect(error?.description.contains(reason) == true, "\(error as Any)")
            #expect(error?.description.contains(expected) == true, "\(error as Any)")
        }
    }

    @Test("addresses that can be listened on are taken as they are")
    func goodAddresses() async throws {
        let found = try await configuration(
            "listen", "127.0.0.1:1, [fe80::1%eth0]:2 ,[fd00::5]:3,:4,0.0.0.0:0", in: .environment)
        #expect(
            found.listenAddresses.map { $0.address?.description } == [
                "127.0.0.1", "fe80::1%eth0", "fd00::5", nil, "0.0.0.0",
            ])
        #expect(found.listenAddresses.map(\.port) == [1, 2, 3, 4, 0])
        #expect(try await configuration("interfaces", "eth0, br-lan", in: .file).interfaces == ["eth0", "br-lan"])
    }
}
