// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import SystemPackage
import Testing

@testable import CloudletNode

/// Of which base VMs there should be warm VMs.
@Suite struct WarmPlanTests {
    private func base(_ number: UInt8) -> BaseVM {
        let hash = SHA256Digest(hashing: [number].span)
        return BaseVM(
            files: BaseFiles(disk: FilePath("/vm/\(number).raw")), hash: hash, memoryHash: hash, diskBytes: 1,
            diskModified: 1, memoryBytes: 1, accelerator: "tcg", created: 1)
    }

    private func plan(_ numbers: [UInt8], failed: Set<UInt8> = [], machines: Int) -> WarmPlan {
        WarmPlan(numbers.map { .init(base: base($0), hasFailed: failed.contains($0)) }, machines: machines)
    }

    @Test("the base VMs likely to be used first get one warm VM each, and more if some are left") func wanted() {
        #expect(plan([1, 2, 3], machines: 2).wanted == [base(1), base(2)])
        #expect(plan([1, 2], machines: 5).wanted == [base(1), base(2), base(1), base(2), base(1)])
        #expect(plan([], machines: 2).wanted.isEmpty && plan([1], machines: 0).wanted.isEmpty)
    }

    @Test("a base VM that failed is tried again without taking a warm VM from those behind it") func failed() {
        let first = plan([1, 2, 3], failed: [1], machines: 1)
        #expect(first.wanted == [base(2)] && first.trials == [base(1)])
        // The one behind keeps its VM; the attempt comes in addition.
        #expect(first.missing(from: [base(2)]) == [base(1)])
        #expect(first.missing(from: []) == [base(2), base(1)])
        // When the attempt has succeeded.
        #expect(plan([1, 2, 3], machines: 1).wanted == [base(1)])
        let all = plan([1, 2], failed: [1, 2], machines: 2)
        #expect(all.wanted.isEmpty && all.trials == [base(1), base(2)])
    }

    @Test("a base VM that failed is not tried while others in front of it get all warm VMs") func behind() {
        let plan = plan([1, 2, 3], failed: [3], machines: 2)
        #expect(plan.wanted == [base(1), base(2)] && plan.trials.isEmpty)
    }

    @Test("as many are missing as there are fewer warm VMs of a base VM than wanted") func missing() {
        let plan = plan([1, 2], machines: 4)
        #expect(plan.missing(from: [base(1), base(3)]) == [base(2), base(1), base(2)])
        #expect(plan.missing(from: plan.wanted).isEmpty)
    }
}
