// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct IdentityTests {
    /// FIPS 180-4 example: SHA-256 of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test("SHA-256 of a known text, in one piece and in two")
    func knownDigest() throws {
        let text: [UInt8] = Array("abc".utf8)
        #expect(SHA256Digest(hashing: text.span).hex == abc)
        var hasher = SHA256Hasher()
        hasher.update(text.span.extracting(0..<1))
        hasher.update(text.span.extracting(1..<3))
        #expect(hasher.finalize().hex == abc)
        let parsed = try #require(SHA256Digest(hex: abc.uppercased()))
        #expect(parsed == SHA256Digest(hashing: text.span))
        #expect(parsed.bytes.count == 32 && SHA256Digest(parsed.bytes.span) == parsed)
    }

    @Test(
        "anything but 64 hexadecimal digits is refused", arguments: ["", "ab", "zz", String(repeating: "0", count: 63)])
    func badHex(text: String) { #expect(SHA256Digest(hex: text) == nil) }

    @Test("session ids have 17 digits and are never 0")
    func sessionIDs() {
        for _ in 0..<1000 { #expect(SessionID.random().description.count == 17) }
    }

    @Test("text from the network can't reach the terminal as control sequences")
    func displayable() {
        #expect("Küche ☕ node.1".displayable() == "Küche ☕ node.1")
        #expect("a\u{1B}[2Jb\u{202E}c\u{9B}d\r\n".displayable() == "a�[2Jb�c�d��")
        // Marks that reorder text are replaced; joiners of letters and emoji are kept.
        #expect("a\u{61C}b\u{2066}c\u{200B}d".displayable() == "a�b�c�d")
        #expect("می\u{200C}رود 👩‍🚀".displayable() == "می\u{200C}رود 👩‍🚀")
        #expect(String(repeating: "x", count: 300).displayable(limit: 10) == "xxxxxxxxxx…")
        #expect("a\u{61C}b\n\nc\u{1B}d\n".displayableLines == "a�b\n\nc�d\n")
        #expect(
            "{\n\"a\u{61C}\u{9B}b\u{200D}\u{E0001}\"}".displayableJSON == "{\n\"a\\u061c\\u009bb\u{200D}\u{E0001}\"}")
    }
}
