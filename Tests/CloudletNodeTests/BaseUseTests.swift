// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import SystemPackage
import Testing

@testable import CloudletNode

/// Of which base VMs warm VMs are kept.
@Suite struct BaseUseTests {
    private func base(_ number: UInt8) -> BaseVM {
        let hash = SHA256Digest(hashing: [number].span)
        return BaseVM(
            files: BaseFiles(disk: FilePath("/vm/\(number).raw")), hash: hash, memoryHash: hash, diskBytes: 1,
            diskModified: 1, memoryBytes: 1, accelerator: "tcg", created: Int(number))
    }

    @Test("base VMs that were used last come first, those never used behind them, the newest first")
    func order() {
        let bases = (1...4).map { base($0) }
        var use = BaseUse()
        #expect(use.sorted(bases) == bases.reversed())
        for number: UInt8 in [1, 3, 1] { use.note(base(number).hash) }
        #expect(use.sorted(bases) == [base(1), base(3), base(4), base(2)])
        #expect(use.age(of: base(1)) == 0 && use.age(of: base(3)) == 1 && use.age(of: base(2)) == .max)
    }

    @Test("only the last uses are remembered")
    func bound() {
        var use = BaseUse()
        for number in UInt8(0)...100 { use.note(base(number).hash) }
        #expect(use.age(of: base(100)) == 0 && use.age(of: base(37)) == 63 && use.age(of: base(36)) == .max)
    }
}
