// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSystem

@Suite struct CloudletHomeTests {
    @Test(
        "the system service and its user have the same home",
        arguments: [
            ["STATE_DIRECTORY": "/var/lib/cloudlet", "HOME": "/var/lib/cloudlet"], ["HOME": "/var/lib/cloudlet"],
            ["HOME": "/var/lib/cloudlet/"], [:],
        ])
    func service(environment: [String: String]) {
        #expect(CloudletHome.chosen(by: environment) == "/var/lib/cloudlet")
    }

    @Test("the system service's configuration is in /etc, unless its home has a file")
    func configuration() throws {
        let scratch = try ScratchDirectory()
        let (root, own) = (scratch.path, scratch.file("cloudlet.yaml"))
        #expect(CloudletHome.configuration(in: root, system: root) == "/etc/cloudlet/cloudlet.yaml")
        #expect(CloudletHome.configuration(in: root, system: "/var/lib/cloudlet") == own)
        #expect(CloudletHome.configuration(in: root, system: nil) == own)
        _ = try scratch.write("cloudlet.yaml", [])
        #expect(CloudletHome.configuration(in: root, system: root) == own)
    }
}
