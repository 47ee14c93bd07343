// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletStore
package import CloudletSystem
package import SystemPackage

/// Makes a raw disk from an image as people have it: qcow2, VMDK, VDI, VHDX, an OVA appliance, or any of these or a raw
/// disk compressed by xz, gzip or zstd. The image is only read. Its content shows its format, its name does not matter,
/// and no other file is read for it.
package struct ImageConversion: Sendable {
    /// The image.
    package let source: FilePath
    /// The raw disk that will be made.
    package let output: FilePath
    /// The image's format with its article, such as `a qcow2 file`.
    package let format: String
    /// The largest disk.
    var largestDisk = DiskImageHeader.largestDisk

    let file: File

    /// A compressed archive, with a disk in it that is compressed too, is packed three times.
    private static let mostLayers = 3

    private init(_ file: File, _ source: FilePath, to output: FilePath, format: String) {
        (self.file, self.source, self.output, self.format) = (file, source, output, format)
    }

    /// Examines an image.
    /// - Parameters:
    ///   - image: the image.
    ///   - output: the path for the raw disk; `nil` for a new name beside the image. A raw disk is converted, that is
    ///     copied, only when a path is given.
    /// - Returns: `nil` when nothing has to be made: the image is a raw disk.
    /// - Throws: `CloudletError.badData` when no disk can be made from the image, `cannotCreate` when the output
    ///   exists.
    package static func plan(_ image: FilePath, output: FilePath?) throws(CloudletError) -> ImageConversion? {
        let source = try BaseFiles.locate(image)
        let file = try File(source, .read)
        // What is no regular file is refused there.
        if try !file.status().isRegular { try DiskImageCheck.requireBootableRaw(file) }
        let content = try ImageContent(file, named: source.string)
        let foreign = try content.foreignFormat()
        switch foreign?.kind {
        case .disk(let format): try DiskImageHeader.check(content, format)
        case .compressed, .archive: break
        case nil:
            try DiskImageCheck.requireBootableRaw(file)
            if output == nil { return nil }
        }
        let target: FilePath
        if let path = output?.absolute, let name = path.lastComponent {
            target = try CloudletHome.resolve(path.removingLastComponent()).appending(name)
        } else {
            target = name(beside: source)
        }
        if try FileSystem.exists(target) {
            throw CloudletError(
                .cannotCreate, "\(target) exists already",
                advice: "name another file with --output; if it is the disk of \(source), made earlier, run: "
                    + Shell.command("cloudlet", "base", target.string))
        }
        return ImageConversion(file, source, to: target, format: foreign?.name ?? "a raw disk")
    }

    /// The name of the disk that is made from an image: `debian.raw` for `debian.qcow2`, `debian.raw.xz` and
    /// `debian.tar.xz`.
    private static func name(beside image: FilePath) -> FilePath {
        var stem = FilePath(image.stem ?? "disk")
        if let inner = stem.extension?.lowercased(),
            ["raw", "img", "tar", "qcow2", "vmdk", "vdi", "vhdx"].contains(inner), let rest = stem.stem
        {
            stem = FilePath(rest)
        }
        let path = image.removingLastComponent().appending("\(stem).raw")
        return path == image ? path.firstFree : path
    }

    /// Makes the raw disk. It gets its name when it is complete and on the disk; nothing is left of one that fails.
    /// - Parameters:
    ///   - check: examines the complete disk before it gets its name; it is removed if this throws.
    ///   - progress: receives how much of each step is done.
    /// - Throws: `CloudletError.badData` when the image is damaged, contains no or several disks, or refers to other
    ///   files; `io` when there is not enough room; what `check` throws.
    package func convert(
        checkedBy check: (File) throws(CloudletError) -> Void = { _ in },
        progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) {
        try Publication.recover([output])
        let content = try ImageContent(file, named: source.string)
        try publish(try await makeDisk(of: content, written: nil, layers: 0, progress), check)
    }

    /// Makes a raw disk from an image, which may be packed.
    /// - Parameters:
    ///   - content: the image.
    ///   - written: the file of the image, if an earlier step has written it.
    ///   - layers: how often it was packed.
    ///   - progress: receives how much of each step is done.
    /// - Returns: the disk, which has no name yet.
    /// - Throws: as ``convert(progress:)``.
    private func makeDisk(
        of content: ImageContent, written: Publication?, layers: Int,
        _ progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> Publication {
        guard let foreign = try content.foreignFormat() else {
            if let written { return written }
            return try await copy(content, progress)
        }
        guard layers < Self.mostLayers else {
            throw CloudletError(
                .badData, "\(source) is packed more than \(Self.mostLayers) times",
                advice: "unpack it, and give the disk image in it")
        }
        switch foreign.kind {
        case .archive:
            return try await makeDisk(of: try disk(in: content), written: nil, layers: layers + 1, progress)
        case .compressed(let method):
            let part = try await decompress(content, method, progress)
            let unpacked = try ImageContent(try self.file(of: part), named: "the content of \(source)")
            return try await makeDisk(of: unpacked, written: part, layers: layers + 1, progress)
        case .disk(let format):
            return try await convert(content, format, progress)
        case nil:
            throw CloudletError(.badData, "\(content.name) is \(foreign.name), not a disk image")
        }
    }

    private func file(of part: Publication) throws(CloudletError) -> File {
        guard let file = part.file(of: output) else { throw CloudletError(.defect, "\(output) is not being written") }
        return file
    }

    /// Gives the finished disk its name, or removes it if it is no bootable disk or `check` throws.
    private func publish(
        _ whole: Publication, _ check: (File) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        defer { whole.discard() }
        let disk = try file(of: whole)
        try DiskImageCheck.requireBootableRaw(disk, named: "the disk in \(source)")
        try check(disk)
        try whole.publish()
    }

    /// The only disk image in an archive.
    private func disk(in archive: ImageContent) throws(CloudletError) -> ImageContent {
        var disks: [ImageContent] = []
        for member in try TarArchive(archive).members() {
            let start = archive.range.lowerBound
            let content = try ImageContent(
                archive.file, start + member.range.lowerBound..<start + member.range.upperBound,
                named: "'\(member.name.displayable(limit: 100))' in \(archive.name)")
            // The bytes of a file without its holes don't show what it is.
            let mayBeDisk = if member.isSparse { true } else { try isDisk(content) }
            guard mayBeDisk else { continue }
            if member.isSparse {
                throw CloudletError(
                    .badData, "\(content.name) is stored without its holes, a form that only tar reads",
                    advice: "unpack it with 'tar -xf', and give the disk image in it")
            }
            disks.append(content)
        }
        guard let first = disks.first else {
            throw CloudletError(
                .badData, "\(archive.name) contains no disk image", advice: "unpack it, and give the disk image in it")
        }
        guard disks.count == 1 else {
            throw CloudletError(
                .badData,
                "\(archive.name) contains \(disks.count) disks, but a VM here has one: "
                    + disks.map(\.name).joined(separator: ", "),
                advice: "unpack it, put what is needed on one disk, and give its image")
        }
        return first
    }

    /// Whether a member of an archive is a disk image, compressed or not.
    private func isDisk(_ content: ImageContent) throws(CloudletError) -> Bool {
        switch try content.foreignFormat()?.kind {
        case .disk, .compressed: true
        case .archive: false
        case nil:
            try isBootable(content)
        }
    }

    /// Whether this may be a raw disk with a boot sector. Appliances come with ISO images too.
    private func isBootable(_ content: ImageContent) throws(CloudletError) -> Bool {
        let head = try content.read(ForeignFormat.headBytes, at: 0)
        return head.count >= Page.size && head.dropFirst(510).starts(with: [0x55, 0xAA]) && !head.isISO9660
    }
}
