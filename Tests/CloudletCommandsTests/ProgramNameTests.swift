// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// The file of `cloudlet` under the names that packages give it.
@Suite struct ProgramNameTests {
    @Test(
        "the file of the commands is the node's program under that name",
        arguments: ["cloudlet-node": "Run a cloudlet node", "cloudlet": "synthesis", "other": "synthesis"])
    func names(name: String, text: String) async throws {
        let scratch = try ScratchDirectory()
        try FileManager.default.createSymbolicLink(
            atPath: scratch.file(name).string, withDestinationPath: Repository.programs.appending("cloudlet").string)
        let help = try await Tool.run(scratch.file(name).string, ["--help"])
        #expect(help.status == 0 && help.output.contains(text), "\(help.errors)")
    }
}
