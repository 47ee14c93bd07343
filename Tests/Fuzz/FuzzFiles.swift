// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem

@testable import CloudletHypervisor
@testable import CloudletSynthesis

// Parsers of files: disks, archives, snapshots, and what qemu-img says of an image.

/// A file in memory with these bytes; one for each parser, used again.
private func file(_ bytes: [UInt8], _ name: String) -> File {
    do {
        let file = try SharedMemory(named: name, size: 0).file
        try file.write(bytes, at: 0)
        return file
    } catch {
        fatalError("\(error)")
    }
}

/// The first two sectors are the input; the disk behind them is as large as its first byte says.
@Sendable func disk(_ input: [UInt8]) {
    guard let first = input.first else { return }
    var bytes = Array(input.dropFirst().prefix(Page.size))
    bytes += [UInt8](repeating: 0, count: Page.size - bytes.count)
    if first & 1 == 0 { bytes.replaceSubrange(510..<512, with: [0x55, 0xAA]) }
    if first & 2 == 0 { bytes.replaceSubrange(512..<520, with: Array("EFI PART".utf8)) }
    let image = file(bytes, "disk")
    try? image.resize(to: first & 4 == 0 ? 1 << 20 : Page.size + Int(first) * 128)
    try? DiskImageCheck.requireBootableRaw(image)
}

private let scratch = file([], "map")

@Sendable func map(_ input: [UInt8]) {
    let size = 1 << 20
    guard let map = try? MappedExtents(parsing: input), let extents = try? map.extents(of: scratch, size: size) else {
        return
    }
    var end = 0
    for extent in extents {
        precondition(extent.range.lowerBound >= end && extent.range.upperBound <= size, "outside, or twice")
        end = extent.range.upperBound
        if case .file(_, let offset) = extent.source { _ = offset + extent.range.count }
    }
}

@Sendable func zip(_ input: [UInt8]) {
    let archive = file(input, "zip")
    guard let directory = try? ZIPArchive(archive), let entries = try? directory.entries(),
        let ranges = try? directory.ranges(of: entries)
    else { return }
    precondition(ranges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= input.count }, "outside")
    precondition(ranges.reduce(0) { $0 + $1.count } <= input.count, "the same bytes twice")
    _ = try? OverlayPackage(archive)
}

@Sendable func tar(_ input: [UInt8]) {
    guard let content = try? ImageContent(file(input, "tar"), named: "tar"),
        let members = try? TarArchive(content).members()
    else { return }
    precondition(members.allSatisfy { $0.range.lowerBound >= 0 && $0.range.upperBound <= input.count }, "outside")
}

/// The first byte chooses the format whose header the rest is.
@Sendable func image(_ input: [UInt8]) {
    let formats: [ImageFormat.Disk] = [.qcow2, .vmdk, .vdi]
    guard let first = input.first,
        let content = try? ImageContent(file(Array(input.dropFirst()), "image"), named: "image")
    else { return }
    try? DiskImageHeader.check(content, formats[Int(first) % formats.count])
}

/// The first 128 bytes begin the footer; the rest is the description. One page of device state lies between.
@Sendable func snapshot(_ input: [UInt8]) {
    let memory = 16 << 20
    let footer = Array(input.prefix(128)) + [UInt8](repeating: 0, count: Page.size - min(128, input.count))
    let description = Array(input.dropFirst(128).prefix(SnapshotLayout.descriptionArea))
    var bytes = description + [UInt8](repeating: 0, count: SnapshotLayout.descriptionArea - description.count)
    bytes += [UInt8](repeating: 7, count: Page.size) + footer
    if let snapshot = try? SnapshotFile(file(bytes, "snapshot"), origin: memory) {
        var count = 0
        try? snapshot.forEachPieceOfState { count += $0.count }
        precondition(count == snapshot.layout.stateBytes, "not the whole state")
    }
    if let description = try? VMDescription(parsing: description) {
        guard (try? VMDescription(parsing: Array(description.document().utf8))) == description else {
            fatalError("written and read again, it is another description")
        }
    }
    for size in [Page.size, memory, SnapshotLayout.maximumBytes] {
        _ = try? SnapshotLayout(footer: footer.span, fileBytes: size)
    }
}
