// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
package import SystemPackage

/// An overlay in a directory: a meta file and the blobs that it names. Opening one checks that all blobs are there and have
/// the right size.
package struct OverlayDirectory: Sendable {
    /// The directory.
    package let directory: FilePath
    /// The path of the meta file.
    package let metaPath: FilePath
    /// The bytes of the meta file, as they are sent.
    package let metaBytes: [UInt8]
    /// The content of the meta file.
    package let meta: OverlayMeta

    /// The name of the application: the last component of the directory's path, as in the original's mobile client.
    package var appName: String { directory.absolute.lexicallyNormalized().lastComponent?.string ?? "overlay" }

    /// Opens the overlay in a directory. The meta is the one file whose name does not end in `xz` or `zst` (the rule of the
    /// original's mobile client). Of several such files it is the one that is a valid meta, so that other files (a README,
    /// thumbnails, checksums) don't matter.
    /// - Throws: `CloudletError.notFound` when there is no directory, `.badData` when it is not a complete overlay.
    package init(_ directory: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(directory) else {
            throw CloudletError(.notFound, "there is no overlay directory \(directory)")
        }
        guard status.isDirectory else {
            throw CloudletError(
                .badData, "\(directory) is not a directory",
                advice: "name the directory that holds the overlay-meta and the blobs")
        }
        let names = try Directory.names(in: directory).filter { name in
            !name.hasPrefix(".") && !name.hasSuffix("xz") && !name.hasSuffix("zst")
        }
        var metas: [String] = []
        if names.count == 1 { metas = names }
        for name in names.dropFirst(metas.count) where try Self.isMeta(directory.appending(name)) { metas.append(name) }
        guard metas.count == 1 else {
            let shown = metas.prefix(5).map { "'\($0.displayable(limit: 80))'" }.joined(separator: ", ")
            throw metas.isEmpty
                ? CloudletError(
                    .badData, "\(directory) contains no overlay-meta",
                    advice:
                        "name a directory that 'cloudlet overlay' wrote: one meta file, and blobs that end in .xz or "
                        + ".zst")
                : CloudletError(
                    .badData, "\(directory) contains more than one possible meta: \(shown)",
                    advice: "keep one meta file in the directory, and move the others with their blobs elsewhere")
        }
        try self.init(meta: directory.appending(metas[0]))
    }

    /// Whether a file is a meta by its content, or by its name even if it is damaged.
    private static func isMeta(_ path: FilePath) throws(CloudletError) -> Bool {
        guard let status = try FileStatus.of(path), status.isRegular else { return false }
        if path.string.hasSuffix("overlay-meta") { return true }
        guard status.size <= OverlayMeta.Limits().metaBytes, let bytes = try? File(path, .read).read(status.size, at: 0)
        else { return false }
        return (try? OverlayMeta(reading: bytes.span)) != nil
    }

    /// Opens the overlay of a meta file, whose blobs are in the same directory.
    /// - Throws: `CloudletError` when the file can't be read, `.badData` when it is not a complete overlay.
    package init(meta path: FilePath) throws(CloudletError) {
        let file = try File(path, .read)
        let size = try file.size()
        let limit = OverlayMeta.Limits().metaBytes
        guard size <= limit else {
            throw CloudletError(
                .badData,
                "\(path) has \(ByteCount(size)), more than the limit of \(ByteCount(limit)) for an overlay-meta")
        }
        metaBytes = try file.read(size, at: 0)
        metaPath = path
        directory = path.removingLastComponent().isEmpty ? "." : path.removingLastComponent()
        meta = try Self.read(metaBytes, path)
        for blob in meta.blobs {
            guard let status = try FileStatus.of(self.path(of: blob)) else {
                throw CloudletError(
                    .badData, "the blob \(blob.name.displayable()) is missing in \(directory)",
                    advice: "copy the whole overlay directory")
            }
            guard status.size == blob.size else {
                throw CloudletError(
                    .badData,
                    "the blob \(blob.name.displayable()) in \(directory) has \(status.size) bytes, not \(blob.size)",
                    advice: "copy the overlay directory again")
            }
        }
    }

    private static func read(_ bytes: [UInt8], _ path: FilePath) throws(CloudletError) -> OverlayMeta {
        do { return try OverlayMeta(reading: bytes.span) } catch {
            throw CloudletError(.badData, "\(path) is not a valid overlay-meta", cause: error)
        }
    }

    /// The path of a blob.
    package func path(of blob: OverlayMeta.Blob) -> FilePath { directory.appending(blob.name) }
}
