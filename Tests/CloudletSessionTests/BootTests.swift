// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletTestSupport
import Synchronization
import Testing

@testable import CloudletClient

/// VMs that a node can only boot.
@Suite(.timeLimit(.minutes(1))) struct BootTests {
    private let service: TestService
    init() throws { service = try TestService() }

    private static let report = BootReport(
        reason: "made under kvm", differences: ["the accelerator is tcg instead of kvm"])

    private static let sizes = [70_000, 600, 5000]

    /// An overlay whose blobs all contain a page of the memory, and those of `disk` a page of the disk too.
    private func overlay(disk: Set<Int>) throws -> OverlaySource {
        let files = try Self.sizes.enumerated().map { index, size in
            try service.scratch.write("b\(index).xz", [UInt8](repeating: UInt8(index), count: size))
        }
        let meta = OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
            blobs: Self.sizes.enumerated().map { index, size in
                .init(
                    name: "b\(index).xz", size: size, diskChunks: disk.contains(index) ? [UInt32(index)] : [],
                    memoryChunks: [UInt32(index)])
            })
        return OverlaySource(
            metaBytes: meta.encoded(), meta: meta, appName: "face", path: service.scratch.path
        ) { .init(files[$0], size: Self.sizes[$0]) }
    }

    @Test(
        "blobs of memory alone are sent only where the VM is resumed, and the client learns which it is",
        arguments: [(true, [0, 1]), (true, []), (false, [0, 1]), (false, [])] as [(Bool, [Int])])
    func boot(allowed: Bool, disk: [Int]) async throws {
        service.backend.state.withLock { $0.boot = Self.report }
        let overlay = try overlay(disk: Set(disk))
        try await service.run { [backend = service.backend] server, port in
            let client = SynthesisClient(.init(host: "127.0.0.1", port: port))
            try await client.synthesize(overlay, allowsBoot: allowed) { vm in
                #expect(vm.boot == (allowed ? Self.report : nil))
                let status = await server.table.statuses().first
                #expect(status?.bootReason == (allowed ? Self.report.reason : nil))
            }
            let expected = allowed ? disk : [0, 1, 2]
            #expect(backend.state.withLock { $0.received.keys.sorted() } == expected)
            for index in expected {
                let blob = try overlay.open(index).read(0..<overlay.meta.blobs[index].size)
                #expect(backend.state.withLock { $0.received[index] } == blob)
            }
        }
    }
}
