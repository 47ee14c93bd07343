// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletFinding
@testable import CloudletNetwork

/// A search without result leads to no wrong conclusion.
@Suite struct DiagnosisTests {
    private func interface(
        _ name: String, _ addresses: [String], isUp: Bool = true, isLoopback: Bool = false
    ) -> NetworkInterface {
        NetworkInterface(
            index: 2, name: name, isUp: isUp, isLoopback: isLoopback,
            addresses: addresses.compactMap { IPAddress($0) }.map { InterfaceAddress($0, prefixLength: 24) })
    }

    private var lo: NetworkInterface { interface("lo", ["127.0.0.1"], isLoopback: true) }
    private var lan: NetworkInterface { interface("eth0", ["10.77.0.9", "fe80::9"]) }

    private func hints(
        _ machine: [NetworkInterface], sent: Int = 9, heard: [String] = [], unverified: [UnverifiedNode] = [],
        _ change: (inout FinderOptions) -> Void = { _ in }
    ) -> [FinderHint] {
        var options = FinderOptions()
        change(&options)
        var seen = FinderInbox.Observations()
        seen.sent = sent
        seen.mdnsHosts = Set(heard.compactMap { IPAddress($0) })
        return FinderDiagnosis.hints(
            observations: seen, interfaces: InterfacePolicy(names: options.interfaces).choose(from: machine),
            machine: machine, unverified: unverified, options: options)
    }

    private func isolation(_ hints: [FinderHint]) -> Bool { hints.contains { $0.advice.contains("isolate") } }

    @Test("where there is no network but the machine's inside, that is said, and nothing of access points")
    func offline() {
        let cases: [([NetworkInterface], String?)] = [
            ([lo], nil), ([lo, interface("eth0", ["10.77.0.9"], isUp: false)], "eth0 is down or unplugged"),
            ([lo, interface("wlan0", [])], "wlan0 has no address"), ([], nil),
            ([lo, interface("docker0", ["172.17.0.1"])], "docker0 is left out (a bridge of Docker)"),
            ([lo, interface("eth\u{1B}0", [])], "eth\u{FFFD}0 has no address"),
        ]
        for (machine, reason) in cases {
            let hints = hints(machine)
            #expect(hints[0].finding.contains("no network to search on") && !isolation(hints))
            if let reason { #expect(hints[0].finding.contains(reason)) }
            #expect(FinderDiagnosis.isOffline(InterfacePolicy().choose(from: machine), FinderOptions()))
        }
        #expect(!FinderDiagnosis.isOffline([lan], FinderOptions()))
    }

    @Test("the machine's inside that was asked for is a endpoint to search on")
    func loopbackByName() {
        let hints = hints([lo]) { $0.interfaces = ["lo"] }
        #expect(hints[0].finding.contains("no node runs on this machine") && !isolation(hints))
        var options = FinderOptions()
        options.interfaces = ["lo"]
        #expect(!FinderDiagnosis.isOffline([lo], options))
    }

    @Test("interfaces that were named and can't be searched on are told, with the reason")
    func named() {
        let machine = [lo, lan, interface("eth1", [], isUp: true), interface("eth2", ["10.1.0.1"], isUp: false)]
        let findings = hints(machine) { $0.interfaces = ["eth0", "eth1", "eth2", "eht\u{1B}0"] }.map(\.finding)
        #expect(findings.contains("eth1 has no address") && findings.contains("eth2 is down or unplugged"))
        #expect(findings.contains { $0.hasPrefix("there is no interface eht") && !$0.contains("\u{1B}") })
        #expect(!findings.contains { $0.hasPrefix("eth0 ") })
    }

    @Test("a network that assigned no address comes before access points that isolate clients")
    func linkLocal() {
        for addresses in [["fe80::9"], ["169.254.3.4", "fe80::9"]] {
            let hints = hints([lo, interface("eth0", addresses)])
            #expect(hints[0].finding == "the network assigned no address on eth0" && hints[0].advice.contains("DHCP"))
        }
        #expect(!hints([lo, lan])[0].finding.contains("no address"))
    }

    @Test("this machine's own answers are no other hosts'")
    func ownAnswers() {
        #expect(isolation(hints([lo, lan], heard: ["10.77.0.9", "fe80::9"])))
        #expect(hints([lo, lan], heard: ["10.77.0.9", "10.77.0.1"])[0].finding.contains("1 other host"))
    }

    @Test("who sends what can't be read is counted as there")
    func unreadable() {
        var inbox = FinderInbox()
        for (number, origin) in [DiscoveryOrigin.ssdp, .mdns].enumerated() {
            for bytes in [[], Array("HTTP/1.1 500 No\r\n\r\n".utf8), [0, 0, 0x84, 0, 0xFF]] as [[UInt8]] {
                let source = IPAddress.v4(0x0A4D_0001 + UInt32(number))
                #expect(inbox.take(bytes, by: origin, from: source, on: lan).candidates.isEmpty)
            }
        }
        #expect(inbox.observations.ssdpHosts == [.v4(0x0A4D_0001)])
        #expect(inbox.observations.mdnsHosts == [.v4(0x0A4D_0002)])
    }

    @Test("what is only remembered is not said to have been announced, and explains little")
    func remembered() {
        let claim = UnverifiedNode(address: "10.1.0.7", name: "n", reason: "closed", origins: [.known])
        let hints = hints([lo, lan], unverified: [claim])
        #expect(isolation(hints) && !hints.contains { $0.finding.contains("was announced as a node") })
        #expect(hints.last?.finding.contains("10.1.0.7 was a node when it was last found") == true)
    }

    @Test("a search that only asks known nodes is not said to be unable to send")
    func knownOnly() {
        let hints = hints([lo, lan], sent: 0) { $0.protocols = [.known] }
        #expect(hints.map(\.finding) == ["no node answered"])
    }

    @Test("a search for known nodes alone asks them")
    func asksKnown() {
        var options = FinderOptions()
        options.protocols = [.known]
        #expect(options.asksKnown && !options.searches)
        options.hosts = ["10.77.0.2"]
        #expect(!options.asksKnown)
    }
}
