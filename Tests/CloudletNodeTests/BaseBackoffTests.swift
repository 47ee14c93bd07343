// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import SystemPackage
import Testing

@testable import CloudletNode

/// Base VMs of which no warm VM could be made.
@Suite struct BaseBackoffTests {
    private func base(_ number: UInt8) -> BaseVM {
        let hash = SHA256Digest(hashing: [number].span)
        return BaseVM(
            files: BaseFiles(disk: FilePath("/vm/\(number).raw")), hash: hash, memoryHash: hash, diskBytes: 1,
            diskModified: 1,
            memoryBytes: 1, accelerator: "tcg", created: 1)
    }

    @Test("a base that fails is left alone, longer each time, reported once, and tried at once when it was touched")
    func failures() {
        var backoff = BaseBackoff()
        let start = ContinuousClock.now
        #expect(backoff.mayTry(base(1), at: start))
        let first = backoff.failed(base(1), CloudletError(.io, "a sector can't be read"), at: start)
        #expect(first)
        #expect(!backoff.mayTry(base(1), at: start + .seconds(29)) && backoff.mayTry(base(2), at: start))
        let second = start + .seconds(30)
        #expect(backoff.mayTry(base(1), at: second))
        let again = backoff.failed(base(1), CloudletError(.io, "a sector can't be read"), at: second)
        #expect(!again)
        #expect(
            !backoff.mayTry(base(1), at: second + .seconds(59)) && backoff.mayTry(base(1), at: second + .seconds(60)))
        let other = backoff.failed(base(1), CloudletError(.io, "it became shorter"), at: second)
        #expect(other)
        var repaired = base(1)
        repaired.data = .init(disk: repaired.hash, memory: repaired.hash)
        #expect(backoff.mayTry(repaired, at: second) && !backoff.mayTry(base(1), at: second))
        backoff.succeeded(base(1))
        #expect(backoff.mayTry(base(1), at: second))
    }

    @Test("a failure whose text differs only in the VM's name or a time is reported once, and not tried more often")
    func names() {
        var backoff = BaseBackoff()
        var now = ContinuousClock.now
        var (reports, attempts) = (0, 0)
        for number in 0..<3600 {
            now += .seconds(1)
            guard backoff.mayTry(base(1), at: now) else { continue }
            attempts += 1
            let error = CloudletError(
                .unavailable, "can't start VM cloudlet-\(number)x: qemu at 10:0\(number): refused")
            if backoff.failed(base(1), error, at: now) { reports += 1 }
            #expect(backoff.hasFailed(base(1)) && !backoff.hasFailed(base(2)))
        }
        #expect(reports == 1 && attempts == 8, "\(reports) \(attempts)")
    }

    @Test("what is wrong with the machine, not with the files, makes no base wait longer")
    func machine() {
        var backoff = BaseBackoff()
        var now = ContinuousClock.now
        for _ in 0..<5 {
            _ = backoff.failed(base(1), CloudletError(.busy, "too many processes"), at: now)
            now += .seconds(30)
            #expect(backoff.mayTry(base(1), at: now))
        }
    }

    @Test("however often it fails, it is tried again within half an hour; bases that are gone are forgotten")
    func bounds() {
        var backoff = BaseBackoff()
        var now = ContinuousClock.now
        for _ in 0..<100 {
            _ = backoff.failed(base(1), CloudletError(.io, ""), at: now)
            now += .seconds(1800)
            #expect(backoff.mayTry(base(1), at: now))
        }
        _ = backoff.failed(base(1), CloudletError(.io, ""), at: now)
        backoff.keep([base(2)])
        #expect(backoff.mayTry(base(1), at: now))
    }
}
