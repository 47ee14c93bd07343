// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletHypervisor
import Testing

@testable import CloudletSynthesis

/// The making of base VMs.
@Suite struct BaseCreationTests {
    @Test("a guest's agent gets at most as long to start as the guest has run, but never less than a second")
    func patience() {
        func patience(_ time: Duration) -> Duration { BaseCreation.patience(.seconds(30), afterRunning: time) }
        #expect(patience(.seconds(5)) == .seconds(5) && patience(.seconds(60)) == .seconds(30))
        #expect(patience(.milliseconds(200)) == VirtualMachine.agentLimit && VirtualMachine.agentLimit == .seconds(1))
    }
}
