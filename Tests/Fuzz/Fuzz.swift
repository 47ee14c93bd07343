// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
import CloudletCompression
import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletSystem
import Glibc

/// One input of libFuzzer for the parser that CLOUDLET_FUZZ_PARSER names. A parser may refuse anything, and must
/// neither trap nor grow beyond bounds; what it accepts is written and read again. Built by Scripts/fuzz only.
@c(LLVMFuzzerTestOneInput)
package func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    parser(input)
    return 0
}

/// The parser under test.
private let parser: @Sendable ([UInt8]) -> Void = {
    let name = unsafe getenv("CLOUDLET_FUZZ_PARSER").map { unsafe String(cString: $0) } ?? ""
    guard let parser = parsers[name] else { fatalError("there is no parser '\(name)'") }
    return parser
}()

/// All of them; Scripts/fuzz knows their names from here.
private let parsers: [String: @Sendable ([UInt8]) -> Void] = [
    "messagepack": messagePack,
    "meta": meta,
    "items": items,
    "vcdiff": vcdiff,
    "xz": xz,
    "zstd": zstd,
    "disk": disk,
    "map": map,
    "zip": zip,
    "tar": tar,
    "image": image,
    "snapshot": snapshot,
    "wire": wire,
    "netlink": netlink,
    "dns": dns,
    "ssdp": ssdp,
    "http": http,
    "soap": soap,
    "markup": markup,
]

@Sendable private func messagePack(_ input: [UInt8]) {
    var reader = MessagePackReader(input.span)
    guard let value = try? reader.readValue() else { return }
    var writer = MessagePackWriter()
    writer.write(value)
    let bytes = writer.bytes
    var again = MessagePackReader(bytes.span)
    guard let copy = try? again.readValue() else { fatalError("written, but not read again") }
    var second = MessagePackWriter()
    second.write(copy)
    // Compared as bytes: not-a-number is not equal to itself.
    guard second.bytes == bytes else { fatalError("written and read again, it is another value") }
    var skipping = MessagePackReader(input.span)
    do { try skipping.skipValue() } catch { fatalError("read, but not skipped: \(error)") }
    guard skipping.position == reader.position else { fatalError("skipped to another place") }
}

@Sendable private func meta(_ input: [UInt8]) {
    var limits = OverlayMeta.Limits()
    limits.imageBytes = 1 << 30
    guard let meta = try? OverlayMeta(reading: input.span, limits: limits) else { return }
    let bytes = meta.encoded()
    guard (try? OverlayMeta(reading: bytes.span, limits: limits)) == meta else {
        fatalError("written and read again, it is another meta")
    }
    _ = meta.pages(of: .memory).count + meta.pages(of: .disk).count
}

private let pages = 16

/// A base whose memory ends with a short page.
private let base: BaseImages = {
    do {
        func image(_ size: Int) throws -> File {
            let file = try SharedMemory(named: "fuzz", size: size).file
            for page in 0..<pages { try file.write([UInt8](repeating: UInt8(page), count: 100), at: page * Page.size) }
            return file
        }
        return try BaseImages(disk: image(pages * Page.size), memory: image(pages * Page.size + 908))
    } catch {
        fatalError("\(error)")
    }
}()

/// A target that notes nothing but checks that all it gets are whole pages inside its image; the last may be short.
private struct Bounds: PageTarget {
    let size: Int

    func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
        try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in check(part.count, run.lowerBound) }
    }

    func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) { check(length, offset) }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) { check(count, offset) }

    private func check(_ count: Int, _ offset: Int) {
        let end = offset + count
        let isWhole = offset % Page.size == 0 && (end % Page.size == 0 || end == size)
        precondition(offset >= 0 && count > 0 && end <= size && isWhole, "outside")
    }
}

@Sendable private func items(_ input: [UInt8]) {
    // The first byte sets the size of the pieces in which the rest comes.
    guard let first = input.first else { return }
    let bytes = Array(input.dropFirst())
    let geometry = OverlayGeometry(
        disk: base.diskSize, memory: base.memorySize, baseDisk: base.diskSize, baseMemory: base.memorySize)
    let blob = OverlayMeta.Blob(
        name: "b", size: 1, diskChunks: (0..<UInt32(pages)).map { $0 }, memoryChunks: (0...UInt32(pages)).map { $0 })
    var applier = BlobApplier(
        blob, geometry: geometry, base: base,
        targets: PageTargets(memory: Bounds(size: geometry.memory), disk: Bounds(size: geometry.disk)))
    var survey = BlobSurvey(blob, geometry: geometry)
    do {
        for range in CloudletSystem.pieces(of: 0..<bytes.count, length: Int(first) + 1) {
            try survey.read(bytes.span.extracting(range))
            try applier.apply(bytes.span.extracting(range))
        }
        _ = try survey.finish()
        try applier.finish()
    } catch {}
}

@Sendable private func vcdiff(_ input: [UInt8]) {
    let source = (0..<Page.size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var decoder = VCDIFFDecoder()
    func decode(_ patch: [UInt8]) -> [UInt8]? {
        do { try decoder.decode(patch.span, source: source.span, length: Page.size) } catch { return nil }
        return decoder.output
    }
    guard let page = decode(input) else { return }
    precondition(page.count == Page.size)
    var encoder = VCDIFFEncoder()
    guard encoder.encode(source: source.span, target: page.span, limit: 1 << 20), decode(encoder.patch) == page
    else { fatalError("a patch of ours does not give what it was made for") }
}

@Sendable private func xz(_ input: [UInt8]) { decompress(input, .xz) }

@Sendable private func zstd(_ input: [UInt8]) { decompress(input, .zstd) }

private func decompress(_ input: [UInt8], _ method: CompressionMethod) {
    guard let first = input.first else { return }
    let bytes = Array(input.dropFirst())
    var produced = 0
    do {
        var decompressor = try Decompressor(method)
        for range in CloudletSystem.pieces(of: 0..<bytes.count, length: Int(first) + 1) {
            try decompressor.decode(bytes.span.extracting(range)) { (output) throws(CloudletError) in
                produced += output.count
                // As a blob's reader does, which knows how much may come.
                if produced > 1 << 20 { throw CloudletError(.badData, "too much") }
            }
        }
        try decompressor.finish()
    } catch {}
}
