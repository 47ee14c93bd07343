// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletConformance

/// The port that takes events.
@Suite struct EventServerTests {
    /// In a process of its own, so that nothing else opens files.
    @Test("an address that is not of this host leaves no socket behind")
    func refusedAddress() async {
        await #expect(processExitsWith: .success) {
            // For documentation only: RFC 5737.
            let address = try #require(IPAddress("192.0.2.1"))
            let before = try Directory.names(in: "/proc/self/fd").count
            for _ in 0..<50 { #expect((try? EventServer(at: address)) == nil) }
            #expect(try Directory.names(in: "/proc/self/fd").count < before + 10)
        }
    }
}
