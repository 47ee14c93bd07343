// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
package import CloudletSystem
public import SystemPackage

/// A stored overlay: its meta and its blobs, whether in a directory or in a package. Everything that sends, rebuilds or
/// inspects an overlay reads it through this type.
public struct OverlaySource: Sendable {
    /// A blob, open for reading: a part of a file.
    public struct BlobFile: Sendable {
        /// The file.
        package let file: File
        /// The offset of the blob in the file.
        package let offset: Int
        /// The size of the blob in bytes.
        public let size: Int

        /// Creates the blob of `size` bytes that begins at `offset` in a file.
        package init(_ file: File, at offset: Int = 0, size: Int) {
            self.file = file
            self.offset = offset
            self.size = size
        }

        /// Reads a part of the blob.
        /// - Parameter range: the range in bytes, from the start of the blob; it must lie within ``size``.
        /// - Returns: exactly these bytes, compressed as in the file.
        /// - Throws: `CloudletError.io` when they can't be read or the file has become shorter.
        public func read(_ range: Range<Int>) throws(CloudletError) -> [UInt8] {
            precondition(range.lowerBound >= 0 && range.upperBound <= size, "a range outside of the blob")
            let bytes = try file.read(range.count, at: offset + range.lowerBound)
            guard bytes.count == range.count else {
                throw CloudletError(.io, "\(file.path) became shorter while it was read")
            }
            return bytes
        }
    }

    /// The bytes of the overlay-meta, as they are sent.
    public let metaBytes: [UInt8]
    /// The overlay-meta.
    public let meta: OverlayMeta
    /// The name of the application: that of the directory or of the package.
    public let appName: String
    /// The path of the meta file or of the package, for messages.
    public let path: FilePath

    private let opening: @Sendable (Int) throws(CloudletError) -> BlobFile

    /// Creates an overlay that is stored in another way.
    /// - Parameters:
    ///   - metaBytes: the bytes of the overlay-meta.
    ///   - meta: the overlay-meta.
    ///   - appName: the name of the application.
    ///   - path: the path for messages.
    ///   - opening: opens the blob with an index in the meta.
    package init(
        metaBytes: [UInt8], meta: OverlayMeta, appName: String, path: FilePath,
        opening: @escaping @Sendable (Int) throws(CloudletError) -> BlobFile
    ) {
        self.metaBytes = metaBytes
        self.meta = meta
        self.appName = appName
        self.path = path
        self.opening = opening
    }

    /// Opens a blob for reading.
    /// - Parameter index: the index of the blob in ``OverlayMeta/blobs``; it must be valid.
    /// - Returns: the blob.
    /// - Throws: `CloudletError` when the file can't be opened.
    public func open(_ index: Int) throws(CloudletError) -> BlobFile { try opening(index) }
}
