// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery

@Suite struct UPnPDeviceTests {
    private let record: NodeRecord
    private let device: UPnPDevice

    init() throws {
        let id = try #require(NodeID("2C975B02-6da1-45ae-81f8-b35170336455"))
        record = NodeRecord(id: id, name: "A&B <ü> \"☕\"", httpPort: 8080)
        device = UPnPDevice(record)
    }

    @Test(
        "searches are answered by the table of UDA (B01-B08)",
        arguments: [
            ("ssdp:all", 5), ("upnp:rootdevice", 1), ("uuid:2c975b02-6da1-45ae-81f8-b35170336455", 1),
            ("uuid:2c975b02-6da1-45ae-81f8-b35170336456", 0), ("urn:schemas-upnp-org:device:CloudletServer:1", 1),
            ("urn:schemas-upnp-org:device:CloudletServer:2", 0), ("urn:schemas-upnp-org:device:CloudletServer:10", 0),
            ("urn:schemas-upnp-org:device:CloudletServer:0", 0), ("urn:schemas-upnp-org:device:CloudletServer:01", 0),
            ("urn:schemas-upnp-org:device:CloudletServer", 0), ("urn:schemas-upnp-org:device:CloudletServer:", 0),
            ("urn:schemas-upnp-org:device:CloudletServ:1", 0), ("urn:schemas-upnp-org:device:CloudletServerX:1", 0),
            ("urn:schemas-upnp-org:service:port:8021", 1), ("urn:schemas-upnp-org:service:port:80", 1),
            ("urn:schemas-upnp-org:service:port:8022", 0), ("urn:schemas-cloudlet:service:Synthesis:1", 1),
            ("urn:schemas-cloudlet:service:Synthesis:2", 0), ("foo:all", 0), ("foo:rootdevice", 0), ("", 0),
            ("uuid:", 0),
        ])
    func answers(target: String, count: Int) {
        let answers = device.answers(to: target)
        #expect(answers.count == count)
        // The type is answered as it was asked, a lower version too.
        if count == 1 { #expect(answers.first?.type == target) }
    }

    @Test("the description is well formed, complete, and relative (C02, C04, C09, C20)")
    func description() throws {
        let documents = UPnPDocuments(device)
        let root = try MarkupParser().parse(documents.description)
        #expect(root.name == "root" && root.namespace == "urn:schemas-upnp-org:device-1-0")
        #expect(root.attributes["configId"] == String(documents.configID))
        let described = try #require(root.child("device"))
        #expect(described.text(of: "friendlyName") == record.name && described.text(of: "UDN") == device.udn)
        #expect(described.text(of: "deviceType") == UPnPDevice.deviceType)
        let types = try #require(described.child("serviceList")).children("service").compactMap {
            $0.text(of: "serviceType")
        }
        #expect(types == [device.originalServiceType, UPnPDevice.synthesisServiceType])
        for service in described.child("serviceList")?.children ?? [] {
            for name in ["SCPDURL", "controlURL", "eventSubURL"] {
                #expect(service.text(of: name)?.hasPrefix("/") == true)
            }
        }
        // The Android client of 2013 looks for "cloudlet" in these three joined.
        let shown = ["manufacturer", "modelName", "modelNumber"].compactMap { described.text(of: $0) }
        #expect(shown.count == 3 && shown.joined(separator: " ").lowercased().contains("cloudlet"))
    }

    @Test("every argument of the services has a state variable (C05), and the actions answer with them (C10)")
    func services() throws {
        for (service, text) in [
            (UPnPService.original, UPnPDocuments(device).originalService),
            (.synthesis, UPnPDocuments(device).synthesisService),
        ] {
            let root = try MarkupParser().parse(text)
            #expect(root.namespace == "urn:schemas-upnp-org:service-1-0")
            let variables = root.child("serviceStateTable")?.children ?? []
            let names = variables.compactMap { $0.text(of: "name") }
            #expect(!names.isEmpty && Set(names).count == names.count)
            for action in root.child("actionList")?.children ?? [] {
                let arguments = action.child("argumentList")?.children ?? []
                #expect(arguments.allSatisfy { names.contains($0.text(of: "relatedStateVariable") ?? "") })
                let incoming = arguments.filter { $0.text(of: "direction") == "in" }.compactMap { $0.text(of: "name") }
                let outgoing = arguments.filter { $0.text(of: "direction") == "out" }.compactMap { $0.text(of: "name") }
                let name = try #require(action.text(of: "name"))
                let body = incoming.map { "<\($0)>1</\($0)>" }.joined()
                let request = try request(name, service.type(of: device), body)
                #expect(try service.perform(request, on: record, sessions: []).map(\.name) == outgoing, "\(name)")
            }
            let evented = variables.filter { $0.attributes["sendEvents"] == "yes" }.compactMap { $0.text(of: "name") }
            #expect(Set(service.eventedVariables(record).map(\.name)) == Set(evented))
        }
    }

    private func request(_ action: String, _ type: String, _ arguments: String) throws -> SOAPRequest {
        let body =
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>"
            + "<u:\(action) xmlns:u=\"\(type)\">\(arguments)</u:\(action)></s:Body></s:Envelope>"
        return try SOAPRequest(soapAction: "\"\(type)#\(action)\"", body: Array(body.utf8))
    }

    @Test("unknown actions, wrong arguments and wrong services are faults (C10)")
    func faults() throws {
        let type = UPnPDevice.synthesisServiceType
        let unknown = try request("Reboot", type, "")
        #expect(throws: UPnPFault.invalidAction) {
            try UPnPService.synthesis.perform(unknown, on: record, sessions: [])
        }
        let superfluous = try request("GetStatus", type, "<a>1</a>")
        #expect(throws: UPnPFault.invalidArguments) {
            try UPnPService.synthesis.perform(superfluous, on: record, sessions: [])
        }
        let foreign = try request("GetStatus", type, "")
        #expect(throws: UPnPFault.invalidAction) { try UPnPService.original.perform(foreign, on: record, sessions: []) }
        let fault = try MarkupParser().parse(SOAP.fault(.invalidAction))
        #expect(fault.descendant("Body", "Fault", "detail", "UPnPError")?.text(of: "errorCode") == "401")
    }

    @Test("malformed control requests are refused")
    func malformed() {
        let type = UPnPDevice.synthesisServiceType
        let good =
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><u:A xmlns:u='\(type)'/></s:Body></s:Envelope>"
        for (header, body) in [
            (nil, good), ("\(type)#A", good), ("\"\(type)\"", good), ("\"#\"", good), ("\"\(type)#B\"", good),
            ("\"x#A\"", good),
            ("\"\(type)#A\"", ""), ("\"\(type)#A\"", "<a/>"), ("\"\(type)#A\"", String(good.dropLast(5))),
            ("\"\(type)#A\"", good + String(repeating: " ", count: 20_000)),
        ] as [(String?, String)] {
            #expect(throws: CloudletError.self) { try SOAPRequest(soapAction: header, body: Array(body.utf8)) }
        }
    }

    @Test("the configuration number follows the content")
    func configID() {
        var other = record
        other.load = 0.9
        #expect(UPnPDocuments(UPnPDevice(other)).configID == UPnPDocuments(device).configID)
        other.name = "Other"
        #expect(UPnPDocuments(UPnPDevice(other)).configID != UPnPDocuments(device).configID)
        #expect((0..<1 << 24).contains(UPnPDocuments(device).configID))
    }

    @Test("templates are filled once, with escapes, and unknown places stay")
    func fill() {
        #expect(UPnPDocuments.fill("{a}{b}{", ["a": "<{b}>"]) == "&lt;{b}&gt;{b}{")
    }

    @Test("names are cut at whole characters")
    func cut() {
        #expect("Küche".cut(toBytes: 2) == "K" && "Küche".cut(toBytes: 3) == "Kü" && "".cut(toBytes: 0).isEmpty)
        #expect(
            UPnPDevice(NodeRecord(id: .random(), name: String(repeating: "ü", count: 99), httpPort: 1)).friendlyName
                .utf8.count == 62)
    }
}
