// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletOverlay

@Suite struct BlobSurveyTests {
    private let geometry = OverlayGeometry(disk: 4 << 20, memory: 4 << 20, baseDisk: nil, baseMemory: nil)
    private let part = BlobSurvey.ImagePart.length

    /// A raw page at each offset of the disk, and a page of zeros at the start of the memory.
    private func blob(_ offsets: [Int]) -> (description: OverlayMeta.Blob, bytes: [UInt8]) {
        var bytes: [UInt8] = []
        for offset in offsets {
            DeltaItem(.disk, offset: offset, length: Page.size, .raw(payload: Page.size)).appendHeader(to: &bytes)
            bytes += [UInt8](repeating: 7, count: Page.size)
        }
        DeltaItem(.memory, offset: 0, length: Page.size, .zeros).appendHeader(to: &bytes)
        let chunks = offsets.map { UInt32($0 / Page.size) }
        return (.init(name: "a", size: 100, diskChunks: chunks, memoryChunks: [0]), bytes)
    }

    @Test("items are counted by kind, and new bytes by the part of the image, the largest part first")
    func findings() throws {
        let (description, bytes) = blob([0, part, part + Page.size, 3 * part])
        var survey = BlobSurvey(description, geometry: geometry)
        try survey.read(bytes.span.extracting(0..<5000))
        try survey.read(bytes.span.extracting(5000..<bytes.count))
        var findings = try survey.finish()
        #expect(findings.statistics[.raw, .disk].items == 4 && findings.statistics[.zeros, .memory].items == 1)
        #expect(findings.statistics.items == 5 && findings.statistics.bytes == bytes.count)
        #expect(findings.largest(2).map(\.part.offset) == [part, 0])
        #expect(findings.largest(2).map(\.bytes) == [2 * Page.size, Page.size])
        let once = findings
        findings.add(once)
        #expect(findings.statistics.items == 10 && findings.largest(1).first?.bytes == 4 * Page.size)
    }

    @Test("a blob that is not complete is refused")
    func incomplete() throws {
        let (description, bytes) = blob([0, part])
        for count in [0, 30, bytes.count - 11] {
            var survey = BlobSurvey(description, geometry: geometry)
            try survey.read(bytes.span.extracting(0..<count))
            #expect(throws: CloudletError.self) { try survey.finish() }
        }
    }
}
