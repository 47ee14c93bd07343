package import CloudletOverlay
package import SystemPackage

/// An overlay that was written to a directory.
package struct WrittenOverlay: Sendable {
    /// The meta file.
    package let metaPath: FilePath
    /// Its content.
    package let meta: OverlayMeta
    /// Items by kind.
    package let statistics: OverlayStatistics
}
