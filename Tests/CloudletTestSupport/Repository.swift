// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// Paths in the checkout and the build directory.
package enum Repository {
    /// The top directory of the checkout.
    package static let root: FilePath = {
        var path = FilePath(#filePath)
        for _ in 0..<3 { path.removeLastComponent() }
        return path
    }()

    /// The path of a script of the project.
    package static func script(_ name: String) -> String { root.appending("Scripts").appending(name).string }

    /// The text of a file of the project.
    package static func text(_ path: String) throws(CloudletError) -> String {
        String(decoding: try File(root.pushing(FilePath(path)), .read).read(1 << 20, at: 0), as: UTF8.self)
    }

    /// The text of a program without the header that names its licence, as an article shows it.
    package static func program(_ path: String) throws(CloudletError) -> String {
        let lines = try text(path).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.drop { $0.hasPrefix("// SPDX-") }.drop { $0.isEmpty }.joined(separator: "\n")
    }

    /// The directory of the programs that were built with the tests.
    package static let programs: FilePath = {
        // The test bundle is in the same directory, and the test runner's arguments contain its path.
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var path = FilePath(bundle)
        while let last = path.lastComponent?.string, !path.isEmpty {
            path.removeLastComponent()
            if last.hasSuffix(".xctest") { break }
        }
        return path
    }()
}
