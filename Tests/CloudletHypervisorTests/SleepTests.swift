// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletHypervisor

/// A guest that goes to sleep (ACPI S3).
@Suite(.serialized, .timeLimit(.minutes(2))) struct SleepTests {
    /// A boot sector that writes "sleep, type 1" to PIIX4's power management control register and halts.
    private static let bootSector: [UInt8] = {
        var sector = [UInt8](repeating: 0, count: 512)
        // mov dx, 0x604; mov ax, 0x2400; out dx, ax; hlt; jmp to the hlt
        sector.replaceSubrange(0..<10, with: [0xBA, 0x04, 0x06, 0xB8, 0x00, 0x24, 0xEF, 0xF4, 0xEB, 0xFD])
        sector.replaceSubrange(510..<512, with: [0x55, 0xAA])
        return sector
    }()

    private struct Status: Decodable, Sendable { let status: String }

    @Test("a guest that sleeps is woken up before its state is saved")
    func saved() async throws {
        let small = try await SmallVM(waitsForState: false, disk: Self.bootSector)
        let vm = small.vm
        try await vm.resume()
        let sleeps = try await poll(every: .milliseconds(100), for: .seconds(60)) { () async throws(CloudletError) in
            try await vm.query("query-status", as: Status.self).status == "suspended"
        }
        try #require(sleeps)
        try await vm.pause()
        #expect(try await vm.query("query-status", as: Status.self).status == "paused")
        #expect(try await vm.saveState().count > 10_000)
        try await vm.destroy()
    }
}
