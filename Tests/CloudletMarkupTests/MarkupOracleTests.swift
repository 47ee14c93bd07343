// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletMarkup
import CloudletTestSupport
import Testing

/// Our parser against Foundation's, on documents of all kinds and on thousands of damaged ones: ours refuses every document
/// that Foundation's refuses, and both read the same tree from those that they accept.
@Suite struct MarkupOracleTests {
    private static let documents = [
        #"<?xml version="1.0" encoding="utf-8"?><root xmlns="urn:a" configId='1'><!-- c --><b c="1&#10;2"> x &amp; y </b></root>"#,
        "<s:Envelope xmlns:s='urn:s' s:style=\"\"><s:Body><u:Get xmlns:u='urn:u'><a>1</a>\n</u:Get></s:Body></s:Envelope>",
        "\u{FEFF}<?xml version='1.0' standalone=\"yes\" ?>\r\n<?x y?><a><![CDATA[<&]]]]>t&#x41;&lt;<b/>ü\u{2003}</a>\n<!-- - -->",
        "<domain type='kvm' xmlns:qemu='urn:q'><qemu:commandline><qemu:arg value='-x'/></qemu:commandline></domain>",
        "<a b='1' c = \"2\"\n\td='&quot;&apos;&gt;'><\u{E9}l\u{E9}ment xml:lang='fr'>\tz\r\n</\u{E9}l\u{E9}ment ></a>",
        "<a xmlns='urn:1'><b xmlns=''><c/></b><d xmlns:p='urn:2'><p:e p:f='g'/></d></a>",
    ]

    private static let pieces = [
        "<", ">", "/", "&", ";", "=", "'", "\"", "]]>", "<!--", "-->", "--", "<?x y?>", "<![CDATA[", "&#0;",
        "&#x10FFFF;",
        "&#xD;", "&amp;", "&nope;", " ", "\r\n", "\t", "a", ":", "xmlns", "xmlns:p='u'", "p:", "\u{1}", "\u{FFFE}",
        "\u{300}", "]]>\u{300}", "\u{301}", "e",
        "<a>", "</a>", "<b/>", "-", ".", "0", "?>", "<?xml version='1.0'?>", "xml:", "<a b='1' b='2'/>",
    ]

    /// Documents at which Foundation's parser ends the process, or which it accepts by mistake.
    private func mayBeGiven(_ document: [UInt8]) -> Bool {
        guard let text = String(validating: document, as: UTF8.self), !document.contains(0) else { return false }
        return !text.contains("<!D")
            && text.ranges(of: "<?").allSatisfy { range in
                text[range.upperBound...].prefix { $0 != "?" && !$0.isWhitespace }.endIndex != text.endIndex
                    && text[text[range.upperBound...].firstIndex { $0 == "?" || $0.isWhitespace } ?? text.startIndex]
                        != "?"
            }
    }

    @Test("documents of all kinds are read as Foundation reads them", arguments: documents)
    func whole(document: String) throws {
        let expected = try #require(FoundationReader.parse(Array(document.utf8)))
        #expect(try MarkupParser().parse(document) == expected)
    }

    @Test(
        "damaged documents: nothing is taken that Foundation refuses, and what is taken is the same", arguments: 0..<6)
    func damaged(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var (taken, refused, stricter) = (0, 0, 0)
        for _ in 0..<4000 {
            var document = Array(Self.documents[seed].utf8)
            for _ in 0...Int.random(in: 0...1, using: &random) {
                let start = Int.random(in: 0...document.count, using: &random)
                let end = min(document.count, start + [0, 0, 1, 2, 9].randomElement(using: &random)!)
                document.replaceSubrange(start..<end, with: Self.pieces.randomElement(using: &random)!.utf8)
            }
            guard mayBeGiven(document) else { continue }
            let expected = FoundationReader.parse(document)
            let actual = try? MarkupParser().parse(document)
            switch (expected, actual) {
            case (nil, nil): refused += 1
            case (_?, nil): stricter += 1
            default:
                taken += 1
                #expect(actual == expected, "\(String(decoding: document, as: UTF8.self))")
            }
        }
        #expect(taken > 100 && refused > 100, "\(taken) \(refused) \(stricter)")
        // Names that libxml2 treats as names without a prefix.
        #expect(stricter < 20, "\(stricter)")
    }
}
