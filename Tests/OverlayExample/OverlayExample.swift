// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletOverlay

/// Describes the overlay at a path: its base VM, its images, its ports and its blobs, a line each.
public func describeOverlay(at path: String) throws -> [String] {
    let overlay = try OverlaySource(at: path)
    let meta = overlay.meta
    var lines = [
        "\(overlay.appName.displayable()) is for the base VM \(meta.baseHash.short)",
        "disk \(ByteCount(meta.diskSize)), memory \(ByteCount(meta.memorySize))",
    ]
    for forward in meta.forwards { lines.append("\(forward.transport) port \(forward.guestPort) is forwarded") }
    for (index, blob) in meta.blobs.enumerated() {
        let bytes = try overlay.open(index).read(0..<blob.size)
        let pages = blob.diskChunks.count + blob.memoryChunks.count
        lines.append("\(blob.name.displayable()): \(pages) pages in \(bytes.count) bytes of \(blob.compression)")
    }
    return lines
}
