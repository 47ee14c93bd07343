// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletOverlay
package import SystemPackage

/// An overlay that was written to a directory.
package struct WrittenOverlay: Sendable {
    /// The meta file.
    package let metaPath: FilePath
    /// The content of the meta file.
    package let meta: OverlayMeta
    /// The number of items of each kind.
    package let statistics: OverlayStatistics
}
