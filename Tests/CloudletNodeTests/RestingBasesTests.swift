import CloudletCore
import CloudletStore
import SystemPackage
import Testing

@testable import CloudletNode

/// Base VMs with which something is wrong, and VMs that are to stand by.
@Suite struct RestingBasesTests {
    private func base(_ number: UInt8) -> BaseVM {
        let hash = SHA256Digest(hashing: [number].span)
        return BaseVM(
            files: BaseFiles(disk: FilePath("/vm/\(number).raw")), hash: hash, memoryHash: hash, diskBytes: 1,
            diskModified: 1,
            memoryBytes: 1, accelerator: "tcg", created: 1)
    }

    @Test("a base that fails is let alone, longer each time, told once, and tried at once when it was touched")
    func failures() {
        var resting = RestingBases()
        let start = ContinuousClock.now
        #expect(resting.mayTry(base(1), at: start))
        let first = resting.failed(base(1), CloudletError(.io, "a sector can't be read"), at: start)
        #expect(first)
        #expect(!resting.mayTry(base(1), at: start + .seconds(29)) && resting.mayTry(base(2), at: start))
        let second = start + .seconds(30)
        #expect(resting.mayTry(base(1), at: second))
        let again = resting.failed(base(1), CloudletError(.io, "a sector can't be read"), at: second)
        #expect(!again)
        #expect(
            !resting.mayTry(base(1), at: second + .seconds(59)) && resting.mayTry(base(1), at: second + .seconds(60)))
        let other = resting.failed(base(1), CloudletError(.io, "it became shorter"), at: second)
        #expect(other)
        var repaired = base(1)
        repaired.data = .init(disk: repaired.hash, memory: repaired.hash)
        #expect(resting.mayTry(repaired, at: second) && !resting.mayTry(base(1), at: second))
        resting.succeeded(base(1))
        #expect(resting.mayTry(base(1), at: second))
    }

    @Test("what is wrong with the machine, not with the files, makes no base wait longer")
    func machine() {
        var resting = RestingBases()
        var now = ContinuousClock.now
        for _ in 0..<5 {
            _ = resting.failed(base(1), CloudletError(.busy, "too many processes"), at: now)
            now += .seconds(30)
            #expect(resting.mayTry(base(1), at: now))
        }
    }

    @Test("however often it fails, it is tried again within half an hour; bases that are gone are forgotten")
    func bounds() {
        var resting = RestingBases()
        var now = ContinuousClock.now
        for _ in 0..<100 {
            _ = resting.failed(base(1), CloudletError(.io, ""), at: now)
            now += .seconds(1800)
            #expect(resting.mayTry(base(1), at: now))
        }
        _ = resting.failed(base(1), CloudletError(.io, ""), at: now)
        resting.keep([base(2)])
        #expect(resting.mayTry(base(1), at: now))
    }
}
