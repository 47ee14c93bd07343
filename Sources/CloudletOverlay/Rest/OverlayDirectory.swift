public import CloudletCore
import CloudletSystem
public import SystemPackage

/// An overlay as it lies on a disk: a meta file and, beside it, the blobs it names. Opening one checks that all are
/// there with the right size.
public struct OverlayDirectory: Sendable {
    /// The directory.
    public let directory: FilePath
    /// The meta file.
    public let metaPath: FilePath
    /// The meta file's bytes, as they are sent.
    public let metaBytes: [UInt8]
    /// The meta file's content.
    public let meta: OverlayMeta

    /// The application's name: the last part of the directory's path, as the original's mobile client took it.
    public var appName: String { directory.lastComponent?.string ?? "overlay" }

    /// Opens the overlay in a directory. Its meta is the one file whose name does not end in `xz` or `zst`, whatever its
    /// name (the rule of the original's mobile client); among several of them the one that is a meta, so that what people
    /// and programs put beside it (a README, thumbnails, sums) does not matter.
    public init(_ directory: FilePath) throws(CloudletError) {
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
                    .badData, "\(directory) holds no overlay-meta",
                    advice: "name the directory that 'cloudlet overlay' wrote: one meta file and blobs that end in .xz")
                : CloudletError(
                    .badData, "\(directory) holds more than one possible meta: \(shown)",
                    advice: "an overlay directory has one meta file: move the others, with their blobs, elsewhere")
        }
        try self.init(meta: directory.appending(metas[0]))
    }

    /// Whether a file is a meta, or was one by its name.
    private static func isMeta(_ path: FilePath) throws(CloudletError) -> Bool {
        guard let status = try FileStatus.of(path), status.isRegular else { return false }
        if path.string.hasSuffix("overlay-meta") { return true }
        guard status.size <= OverlayMeta.Limits().metaBytes, let bytes = try? File(path, .read).read(status.size, at: 0)
        else { return false }
        return (try? OverlayMeta(reading: bytes.span)) != nil
    }

    /// Opens the overlay that a meta file describes; its blobs are beside it.
    public init(meta path: FilePath) throws(CloudletError) {
        let file = try File(path, .read)
        let size = try file.size()
        let limit = OverlayMeta.Limits().metaBytes
        guard size <= limit else {
            throw CloudletError(
                .badData, "\(path) has \(ByteCount(size)); no overlay-meta is larger than \(ByteCount(limit))")
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
            throw CloudletError(.badData, "\(path) is no valid overlay-meta", cause: error)
        }
    }

    /// The overlay, for who sends or rebuilds it.
    public var source: OverlaySource {
        OverlaySource(metaBytes: metaBytes, meta: meta, appName: appName, path: metaPath) {
            (index) throws(CloudletError) in
            OverlaySource.Bytes(try File(path(of: meta.blobs[index]), .read))
        }
    }

    /// The file of a blob.
    public func path(of blob: OverlayMeta.Blob) -> FilePath { directory.appending(blob.name) }
}
