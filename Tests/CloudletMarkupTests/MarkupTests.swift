// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import Testing

@Suite struct MarkupTests {
    @Test("a tree that is written and read again is the same")
    func roundTrip() throws {
        let tree = MarkupElement(
            "root", namespace: "urn:schemas-upnp-org:device-1-0", attributes: ["configId": "1"],
            children: [
                MarkupElement("name", namespace: "urn:schemas-upnp-org:device-1-0", text: "A&B <ü> \"'"),
                MarkupElement("empty", namespace: "urn:schemas-upnp-org:device-1-0"),
            ])
        #expect(try MarkupParser().parse(tree.document()) == tree)
        #expect(tree.text(of: "name") == "A&B <ü> \"'")
    }

    @Test("namespaces are resolved, prefixes dropped")
    func namespaces() throws {
        let root = try MarkupParser().parse(
            "<s:Envelope xmlns:s='urn:s'><s:Body><u:Get xmlns:u='urn:u'><a>1</a></u:Get></s:Body></s:Envelope>")
        #expect(root.name == "Envelope" && root.namespace == "urn:s")
        #expect(root.descendant("Body", "Get")?.namespace == "urn:u")
        #expect(root.descendant("Body", "Get")?.text(of: "a") == "1")
    }

    @Test(
        "malformed, truncated and hostile documents are refused",
        arguments: [
            "", "<a>", "<a><b></a>", "<a></a><b/>", "text", "<a>&undefined;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><a>&x;</a>",
            String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100),
            "<a>" + String(repeating: "<b/>", count: 5000) + "</a>",
            "<?xml version='1.0' encoding='UTF-7'?><a>+ADw-</a>", "<a>\u{0}</a>",
            "<a>" + String(repeating: "x", count: 300_000) + "</a>",
            "<?x?><a/>", "<a><?x?></a>", "<a/><?x?>", "<?xml?><a/>", "<a><?xml?></a>", "<??><a/>", "<cl<?xml?><b>",
        ])
    func refusals(document: String) {
        let error = #expect(throws: CloudletError.self) { try MarkupParser().parse(document) }
        #expect(error?.code == .badData)
    }

    @Test("processing instructions are skipped")
    func instructions() throws {
        let root = try MarkupParser().parse(
            "<?xml version='1.0'?><?xml-stylesheet href='a.css'?><root><?php echo 1 ?><?x ?>text</root><?y z?>")
        #expect(root.name == "root" && root.text == "text" && root.children.isEmpty)
    }

    @Test("characters that XML does not allow are left out when writing")
    func forbiddenCharacters() {
        #expect("a\u{0}b\u{1B}c\n".escapedForXML == "abc&#10;")
    }
}
