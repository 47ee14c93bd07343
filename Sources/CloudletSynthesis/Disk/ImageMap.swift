package import CloudletCore
package import CloudletOverlay
import CloudletSystem
import Foundation
import Subprocess
package import SystemPackage

/// What a VM wrote to its qcow2 disk, as `qemu-img map` tells: exactly the 4 KiB subclusters it touched.
package enum ImageMap {
    /// One line of the map.
    private struct Entry: Decodable {
        let start: Int
        let length: Int
        let depth: Int
        let data: Bool
        let zero: Bool
        let offset: Int?
    }

    private static let outputLimit = 64 << 20

    /// The ranges of `image` that are not as in its base, with the places in the file where their bytes are. The VM
    /// must have ended.
    package static func changes(in image: FilePath, size: Int) async throws(CloudletError) -> ChangedImage {
        let output = try await ImageTool.run(
            ["map", "--output=json", "-f", "qcow2", image.string], outputLimit: outputLimit)
        let entries: [Entry]
        do { entries = try JSONDecoder().decode([Entry].self, from: Data(output.utf8)) } catch {
            throw CloudletError(.unavailable, "the output of qemu-img map is not understood", cause: error)
        }
        let file = try File(image, .read)
        var extents: [ChangedImage.Extent] = []
        for entry in entries where entry.depth == 0 {
            let range = entry.start..<min(entry.start + entry.length, size)
            guard !range.isEmpty else { continue }
            if entry.data, let offset = entry.offset {
                extents.append(.init(range, .file(file, offset: offset)))
            } else if entry.zero {
                extents.append(.init(range, .zeros))
            } else {
                throw CloudletError(.unavailable, "qemu-img map reports data it can't place at byte \(entry.start)")
            }
        }
        return ChangedImage(.disk, size: size, extents: extents)
    }
}

/// Runs `qemu-img`.
enum ImageTool {
    static func run(_ arguments: [String], outputLimit: Int = 1 << 20) async throws(CloudletError) -> String {
        let result: ExecutionResult<Void, StringOutput<UTF8>, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("qemu-img"), arguments: Arguments(arguments), input: .none,
                output: .string(limit: outputLimit), error: .string(limit: 64 << 10))
        } catch {
            throw CloudletError(
                .unavailable, "can't run qemu-img", advice: "install the package qemu-utils", cause: error)
        }
        guard result.terminationStatus.isSuccess else {
            let reason = result.standardError.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
            throw CloudletError(.io, "qemu-img \(arguments[0]) failed: \(reason.displayable())")
        }
        return result.standardOutput
    }
}
