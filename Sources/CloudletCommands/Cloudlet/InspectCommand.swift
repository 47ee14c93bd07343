// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletOverlay
import CloudletSynthesis
import SystemPackage

/// `cloudlet inspect META`: shows the contents of an overlay.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show the contents of an overlay; the base VM is not needed.")

    @Argument(help: "The overlay: its directory, its overlay-meta file, or a package.", completion: .file())
    var meta: String

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    func run() async throws {
        let overlay = try OverlaySource(at: FilePath(meta))
        let survey = try await OverlaySurvey.survey(overlay) { ProgressLine.show($0) }
        ProgressLine.clear()
        let report = OverlayReport(overlay, survey.total, survey.blobs)
        switch format {
        case .json: try Console.json(report)
        case .table: Console.result(report.text)
        }
    }
}

/// The report that `cloudlet inspect` prints. Its JSON form has the properties' names as keys.
struct OverlayReport: Encodable {
    /// Items of one kind in one image.
    struct Kind: Encodable {
        let image: String
        let kind: String
        let items: Int
        let bytes: Int
    }

    /// One blob.
    struct Blob: Encodable {
        let name: String
        let compression: String
        let bytes: Int
        let item_bytes: Int
        let memory_pages: Int
        let disk_pages: Int
    }

    /// A part of an image for which the overlay has much content that neither the base VM nor other items have.
    struct Part: Encodable {
        let image: String
        let offset: Int
        let length: Int
        let own_bytes: Int
    }

    let meta: String
    let base_sha256: String
    let base_memory_sha256: String?
    let disk_bytes: Int
    let memory_bytes: Int
    let compressed_bytes: Int
    let item_bytes: Int
    let items: Int
    let forwards: [String]
    let ready_port: Int?
    let guest_clock: String?
    let guest_random: String?
    let kinds: [Kind]
    let blobs: [Blob]
    let largest_parts: [Part]

    init(_ overlay: OverlaySource, _ total: BlobSurvey.Findings, _ findings: [BlobSurvey.Findings]) {
        let content = overlay.meta
        meta = overlay.path.string
        base_sha256 = content.baseHash.hex
        base_memory_sha256 = content.baseMemoryHash?.hex
        disk_bytes = content.diskSize
        memory_bytes = content.memorySize
        compressed_bytes = content.totalBlobBytes
        item_bytes = total.statistics.bytes
        items = total.statistics.items
        forwards = content.forwards.map(\.description)
        ready_port = content.readyPort.map(Int.init)
        guest_clock = content.guestClock
        guest_random = content.guestRandom
        kinds = OverlayImage.allCases.flatMap { image in
            DeltaItem.Kind.allCases.compactMap { kind in
                let entry = total.statistics[kind, image]
                guard entry.items > 0 else { return nil }
                return Kind(image: "\(image)", kind: "\(kind)", items: entry.items, bytes: entry.bytes)
            }
        }
        blobs = zip(content.blobs, findings).map { blob, found in
            Blob(
                name: blob.name, compression: "\(blob.compression)", bytes: blob.size,
                item_bytes: found.statistics.bytes, memory_pages: blob.memoryChunks.count,
                disk_pages: blob.diskChunks.count)
        }
        largest_parts = total.largest(10).map { part, bytes in
            Part(image: "\(part.image)", offset: part.offset, length: BlobSurvey.ImagePart.length, own_bytes: bytes)
        }
    }

    /// Describes how a resumed guest gets its time or random numbers, as recorded in an overlay of any version.
    private static func shown(_ helper: String?, _ otherwise: String) -> String {
        switch helper {
        case "agent": "set by the guest agent"
        case "kernel": "reseeded by the guest's kernel"
        case "none": "\(otherwise); the guest had no agent (qemu-guest-agent) for it when the overlay was made"
        case nil: "\(otherwise); the overlay does not record the guest's support"
        case .some(let word): word.displayable(limit: 40)
        }
    }

    private static let costOfNoAgent =
        "The VM continues from the second at which the overlay was made: certificates may not be valid yet, tokens may have "
        + "expired, and files may have times in the future."

    /// The report as text for a person.
    var text: String {
        var lines = [
            "Overlay meta: \(meta)", "Base VM: \(base_sha256)", "Base memory: \(base_memory_sha256 ?? "not recorded")",
            "Disk: \(ByteCount(disk_bytes))",
            memory_bytes > 0 ? "Memory snapshot: \(ByteCount(memory_bytes))" : "Memory snapshot: none; the VM boots",
            "Overlay: \(ByteCount(compressed_bytes)) in \(blobs.count) blobs, "
                + "\(items) items of \(ByteCount(item_bytes))",
        ]
        lines += forwards.map { "Forward: \($0)" }
        if let ready_port { lines.append("Ready port: \(ready_port)") }
        if memory_bytes > 0 {
            lines.append("Clock at resume: \(Self.shown(guest_clock, "not set"))")
            if guest_clock != "agent" { lines.append("  \(Self.costOfNoAgent)") }
            lines.append(
                "Random numbers at resume: \(Self.shown(guest_random, "may be the same in all VMs of this overlay"))")
        }

        var kindTable = TextTable("IMAGE", "KIND", "ITEMS", "BYTES")
        for kind in kinds {
            kindTable.add(kind.image, kind.kind, String(kind.items), ByteCount(kind.bytes).description)
        }
        var partTable = TextTable("IMAGE", "FROM BYTE", "NEW CONTENT")
        for part in largest_parts {
            partTable.add(part.image, String(part.offset), ByteCount(part.own_bytes).description)
        }
        var blobTable = TextTable("LARGEST BLOBS", "BYTES", "ITEM BYTES", "MEMORY PAGES", "DISK PAGES")
        for blob in blobs.sorted(by: { ($1.bytes, $0.name) < ($0.bytes, $1.name) }).prefix(10) {
            blobTable.add(
                blob.name.displayable(limit: 80), ByteCount(blob.bytes).description,
                ByteCount(blob.item_bytes).description, String(blob.memory_pages), String(blob.disk_pages))
        }
        return (lines + ["", kindTable.text, "", partTable.text, "", blobTable.text]).joined(separator: "\n")
    }
}
