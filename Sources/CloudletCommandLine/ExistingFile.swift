// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import SystemPackage

/// Checks files that users name, before any work is done.
package enum ExistingFile {
    /// Throws an error if the file does not exist.
    package static func require(_ path: String) throws(CloudletError) {
        guard let status = try FileStatus.of(FilePath(path)) else {
            throw CloudletError(.notFound, "there is no file \(path.displayable())")
        }
        guard status.isRegular else {
            throw CloudletError(.badData, "\(path.displayable()) is not a regular file", advice: "name a regular file")
        }
    }
}
