// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

@testable import CloudletCommands

extension CommandTests {
    /// `inspect`.
    @Suite struct InspectCommandTests {
        private let home: Home
        init() throws { home = try Home() }

        @Test("an overlay is described for people and for programs, by its directory and by its meta")
        func report() async throws {
            let overlay = try await home.makeOverlay("face")
            let text = await home.run("inspect", overlay.string)
            #expect(text.status == 0 && text.errors.isEmpty, "\(text)")
            for line in [
                "Overlay meta: \(overlay)/face.overlay-meta", "Forward: tcp:2222::22", "Ready port: 9876",
                "Clock at resume: not set; the overlay does not record the guest's support",
                "Random numbers at resume: may be the same in all VMs of this overlay; the overlay does not record the "
                    + "guest's support",
            ] {
                #expect(text.rows.contains(line), "\(text.output)")
            }
            #expect(text.output.contains("certificates may not be valid yet"))
            #expect(
                text.rows.contains { $0.hasPrefix("disk raw ") } && text.rows.contains { $0.hasPrefix("memory raw ") })
            #expect(text.rows.contains { $0.hasPrefix("face.overlay_1.xz ") }, "\(text.output)")

            let json = await home.run("inspect", overlay.appending("face.overlay-meta").string, "--format", "json")
            let report = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any], "\(json)")
            #expect(report["meta"] as? String == overlay.appending("face.overlay-meta").string)
            #expect(report["disk_bytes"] as? Int == SyntheticPair.pages * 4096)
            #expect(report["ready_port"] as? Int == 9876 && report["forwards"] as? [String] == ["tcp:2222::22"])
            let blobs = try #require(report["blobs"] as? [[String: Any]])
            #expect(blobs.first?["name"] as? String == "face.overlay_1.xz")
            #expect(blobs.compactMap { $0["bytes"] as? Int }.reduce(0, +) == report["compressed_bytes"] as? Int)
            let kinds = try #require(report["kinds"] as? [[String: Any]])
            #expect(kinds.compactMap { $0["items"] as? Int }.reduce(0, +) == report["items"] as? Int)
        }

        @Test("a blob that is damaged is named, and nothing is printed as a result")
        func damaged() async throws {
            let overlay = try await home.makeOverlay("face")
            let blob = overlay.appending("face.overlay_1.xz")
            try File(blob, .readWrite).write([UInt8](repeating: 0, count: 16), at: 40)
            let result = await home.run("inspect", overlay.string)
            #expect(result.status == 65 && result.output.isEmpty, "\(result)")
            #expect(result.errors.contains("face.overlay_1.xz"), "\(result.errors)")
        }
    }
}
