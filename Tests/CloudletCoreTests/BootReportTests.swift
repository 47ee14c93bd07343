// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CloudletCore

@Suite struct BootReportTests {
    @Test("each line of a report names the VM or its guest, and says what the host does not know")
    func lines() {
        let report = BootReport(reason: "made under kvm", differences: ["the CPU is a", "the disk is b"])
        for line in report.lines { #expect(line.contains("boot"), "\(line)") }
        #expect(report.lines.first == "\(BootReport.summary): made under kvm")
        #expect(report.lines.contains { $0.hasSuffix("than the saved one: the CPU is a; the disk is b") })
        #expect(report.lines.last?.contains("names no readiness port") == true)
        let answered = BootReport(reason: "made under kvm", applicationAnswered: true)
        #expect(answered.lines == Array(report.lines[0...1]))
    }

    @Test("advice is added to what an error or its cause advises")
    func advice() {
        let cause = CloudletError(.io, "a", advice: "do this")
        #expect(CloudletError(.io, "b", cause: cause).advising(or: "that").firstAdvice == "do this, or that")
        #expect(CloudletError(.io, "b").advising(or: "do that").description == "b; do that")
        #expect(CloudletError(.io, "b", advice: "no", cause: cause).localReason == "b: a")
    }
}
