// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletOverlay
import CloudletSystem
package import SystemPackage

/// The ranges that a VM wrote to its qcow2 disk, from `qemu-img map`: exactly the 4 KiB subclusters that it touched.
package enum ImageMap {
    private static let outputLimit = 64 << 20

    /// The ranges of `image` that differ from its base, with the positions of their bytes in the file. The VM must have
    /// ended.
    package static func changes(in image: FilePath, size: Int) async throws(CloudletError) -> ChangedImage {
        let output = try await ImageTool.run(
            ["map", "--output=json", "-f", "qcow2", image.string], outputLimit: outputLimit)
        return ChangedImage(
            .disk, size: size,
            extents: try MappedExtents(parsing: Array(output.utf8)).extents(of: try File(image, .read), size: size))
    }
}
