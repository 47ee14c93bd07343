package import CloudletCore
package import CloudletOverlay
import CloudletSystem
package import SystemPackage

/// What a VM wrote to its qcow2 disk, as `qemu-img map` tells: exactly the 4 KiB subclusters it touched.
package enum ImageMap {
    private static let outputLimit = 64 << 20

    /// The ranges of `image` that are not as in its base, with the places in the file where their bytes are. The VM
    /// must have ended.
    package static func changes(in image: FilePath, size: Int) async throws(CloudletError) -> ChangedImage {
        let output = try await ImageTool.run(
            ["map", "--output=json", "-f", "qcow2", image.string], outputLimit: outputLimit)
        return ChangedImage(
            .disk, size: size,
            extents: try MappedExtents(parsing: Array(output.utf8)).extents(of: try File(image, .read), size: size))
    }
}
