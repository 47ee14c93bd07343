// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletTestSupport
import Testing

@Suite struct BaseManifestTests {
    private func digest(_ byte: UInt8) -> SHA256Digest { SHA256Digest(hashing: [byte].span) }

    @Test("a manifest is read as it was written, and a base VM without one has none")
    func roundTrip() throws {
        let scratch = try ScratchDirectory()
        let files = BaseFiles(disk: scratch.file("vm.raw"))
        #expect(try BaseManifest(of: files) == nil)
        let manifest = BaseManifest(
            hash: digest(1), memoryHash: digest(2), data: ["disk": digest(3), "base-mem": digest(4)])
        _ = try scratch.write("vm.base-seal", try manifest.text())
        #expect(try BaseManifest(of: files) == manifest)
    }

    @Test(
        "a file that is not a manifest, or of another format, is named in an error with advice",
        arguments: [
            "", "{", "[]", #"{"format":2,"hash":"","memory_hash":"","data":{}}"#,
            #"{"format":1,"hash":"12","memory_hash":"12","data":{}}"#,
        ])
    func damaged(text: String) throws {
        let scratch = try ScratchDirectory()
        let files = BaseFiles(disk: scratch.file("vm.raw"))
        _ = try scratch.write("vm.base-seal", Array(text.utf8))
        let error = #expect(throws: CloudletError.self) { try BaseManifest(of: files) }
        #expect(error?.code == .badData && error?.description.contains("vm.base-seal") == true, "\(error as Any)")
    }
}
