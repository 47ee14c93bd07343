// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore
import CloudletSystem
public import SystemPackage

extension OverlaySource {
    /// Opens the overlay at a path: a directory, a meta file, or a package. Only the meta is read; each blob is checked to
    /// be there and to have the size that the meta says.
    /// - Throws: `CloudletError.notFound` when there is nothing at the path, `.badData` when it is not a complete overlay.
    public init(at path: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(path) else {
            throw CloudletError(
                .notFound, "there is no overlay directory or package \(path)",
                advice: "name the directory of an overlay, its overlay-meta, or a package")
        }
        if status.isDirectory {
            self = OverlaySource(try OverlayDirectory(path))
        } else if status.isRegular, try OverlayPackage.isArchive(path) {
            self = OverlaySource(try OverlayPackage(File(path, .read)))
        } else {
            self = OverlaySource(try OverlayDirectory(meta: path))
        }
    }

    /// Opens the overlay at a path: a directory, a meta file, or a package.
    /// - Throws: the same errors as ``init(at:)-(FilePath)``.
    public init(at path: String) throws(CloudletError) { try self.init(at: FilePath(path)) }

    /// Reads an overlay from its directory.
    package init(_ directory: OverlayDirectory) {
        self.init(
            metaBytes: directory.metaBytes, meta: directory.meta, appName: directory.appName, path: directory.metaPath
        ) { (index) throws(CloudletError) in
            let blob = directory.meta.blobs[index]
            return BlobFile(try File(directory.path(of: blob), .read), size: blob.size)
        }
    }

    /// Reads an overlay from its package. The name of the application is that of the file, without the extension.
    package init(_ package: OverlayPackage) {
        self.init(
            metaBytes: package.metaBytes, meta: package.meta, appName: package.file.path.stem ?? "overlay",
            path: package.file.path
        ) { (index) throws(CloudletError) in
            BlobFile(package.file, at: package.blobs[index].lowerBound, size: package.blobs[index].count)
        }
    }
}
