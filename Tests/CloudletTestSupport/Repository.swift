import FoundationEssentials
package import SystemPackage

/// Where things are in the checkout and the build directory.
package enum Repository {
    /// The top of the checkout.
    package static let root: FilePath = {
        var path = FilePath(#filePath)
        for _ in 0..<3 { path.removeLastComponent() }
        return path
    }()

    /// A script of the project.
    package static func script(_ name: String) -> String { root.appending("Scripts").appending(name).string }

    /// The directory of the programs that were built with the tests.
    package static let programs: FilePath = {
        // The test bundle lies beside them; the runner's arguments name it.
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var path = FilePath(bundle)
        while let last = path.lastComponent?.string, !path.isEmpty {
            path.removeLastComponent()
            if last.hasSuffix(".xctest") { break }
        }
        return path
    }()
}
