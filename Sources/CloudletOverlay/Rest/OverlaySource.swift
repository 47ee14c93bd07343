public import CloudletCore
package import CloudletSystem
public import SystemPackage

/// An overlay at rest, wherever it lies: its meta, and where the bytes of each blob are. What sends, feeds or rebuilds an
/// overlay knows no more of the place than this.
public struct OverlaySource: Sendable {
    /// The bytes of a blob: a part of a file.
    public struct Bytes: Sendable {
        /// The file.
        package let file: File
        /// Where in it the blob begins.
        public let offset: Int

        /// Names a place.
        package init(_ file: File, at offset: Int = 0) {
            self.file = file
            self.offset = offset
        }

        /// Reads a part of the blob.
        /// - Parameter range: bytes, counted from the blob's first.
        /// - Returns: all of them.
        /// - Throws: `CloudletError.io` when the file has become shorter.
        public func read(_ range: Range<Int>) throws(CloudletError) -> [UInt8] {
            let bytes = try file.read(range.count, at: offset + range.lowerBound)
            guard bytes.count == range.count else {
                throw CloudletError(.io, "\(file.path) became shorter while it was read")
            }
            return bytes
        }
    }

    /// The meta's bytes, as they are sent.
    public let metaBytes: [UInt8]
    /// The meta.
    public let meta: OverlayMeta
    /// The application's name, by which the overlay is called.
    public let appName: String
    /// Where it lies, for people: its meta file, or the package.
    public let path: FilePath

    private let opening: @Sendable (Int) throws(CloudletError) -> Bytes

    /// Describes an overlay that lies in a place of another kind.
    /// - Parameters:
    ///   - metaBytes: the meta as it lies there.
    ///   - meta: what it says.
    ///   - appName: the application's name.
    ///   - path: where it lies, for people.
    ///   - opening: opens the blob of an index in the meta.
    package init(
        metaBytes: [UInt8], meta: OverlayMeta, appName: String, path: FilePath,
        opening: @escaping @Sendable (Int) throws(CloudletError) -> Bytes
    ) {
        self.metaBytes = metaBytes
        self.meta = meta
        self.appName = appName
        self.path = path
        self.opening = opening
    }

    /// The overlay that a path names: its directory, its meta file, or its package.
    /// - Throws: `CloudletError.notFound` when there is nothing, `.badData` when it is no whole overlay.
    public init(at path: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(path) else {
            throw CloudletError(
                .notFound, "there is no overlay directory or package \(path)",
                advice: "name an overlay's directory, its overlay-meta, or a package")
        }
        if status.isDirectory {
            self = try OverlayDirectory(path).source
        } else if status.isRegular, try OverlayPackage.isArchive(path) {
            self = try OverlayPackage(File(path, .read)).source
        } else {
            self = try OverlayDirectory(meta: path).source
        }
    }

    /// The overlay that a path names, given as text.
    /// - Throws: as ``init(at:)-(FilePath)``.
    public init(at path: String) throws(CloudletError) { try self.init(at: FilePath(path)) }

    /// Opens a blob.
    /// - Parameter index: its index in the meta.
    /// - Returns: where its bytes are.
    /// - Throws: `CloudletError` when the file can't be opened.
    public func open(_ index: Int) throws(CloudletError) -> Bytes { try opening(index) }
}
