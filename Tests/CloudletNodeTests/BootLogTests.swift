// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Logging
import Testing

@testable import CloudletNode
@testable import CloudletSynthesis

@Suite struct BootLogTests {
    @Test("a boot is logged in one line with the details of this host, which clients don't receive")
    func boot() throws {
        let error = CloudletError(
            .unavailable, "QEMU refused the state", advice: "leave it", cause: CloudletError(.io, "can't read /var/x"))
        let cause = BootCause(error: error, differences: ["the CPU is a", "the disk is b"], applicationAnswered: false)
        let log = RecordedLog()
        cause.log(to: log.logger, ["vm": "v"])
        #expect(log.messages == [BootReport.summary])
        let expected: Logger.Metadata = [
            "vm": "v", "reason": "QEMU refused the state: can't read /var/x",
            "differences": "the CPU is a; the disk is b", "answered": "false",
        ]
        #expect(log.events.value.first?.metadata == expected)
        #expect(cause.report.reason == "QEMU refused the state: can't read a local file")
        #expect(cause.localReport.reason == "QEMU refused the state: can't read /var/x")
    }
}
