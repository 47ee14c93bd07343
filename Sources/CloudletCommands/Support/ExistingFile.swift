import CloudletCore
import CloudletSystem
import SystemPackage

/// Checks files that users name before any work is done.
enum ExistingFile {
    /// Fails unless there is such a file.
    static func require(_ path: String) throws(CloudletError) {
        guard try FileStatus.of(FilePath(path))?.isRegular == true else {
            throw CloudletError(.notFound, "there is no file \(path.displayable())")
        }
    }
}
