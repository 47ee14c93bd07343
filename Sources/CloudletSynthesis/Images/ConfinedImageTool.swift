// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Glibc
import Subprocess

/// Runs `qemu-img` on an image that anybody may have made. The caller names the image's format, and the kernel limits
/// what the program can take (setrlimit(2), through prlimit(1)): processor time, memory, open files, the size of what
/// it writes.
enum ConfinedImageTool {
    /// qemu-img needs less than 100 MiB for all formats, and address space for the stacks of 64 threads.
    private static let addressSpace = 2 << 30
    private static let openFiles = 64
    private static let longestOutput = 1 << 20

    /// Runs qemu-img.
    /// - Parameters:
    ///   - arguments: the command, and its arguments.
    ///   - image: the image's name, for messages.
    ///   - seconds: the processor time that it may take. It may take ten times as long in all, as disks can be slow.
    ///   - largestFile: the size of the largest file that it may write.
    ///   - accepted: the exit statuses that mean success.
    ///   - progress: receives the part that is done (0 to 1), if qemu-img was asked for it (`-p`).
    /// - Returns: what it printed, without the progress.
    /// - Throws: `CloudletError.badData` when qemu-img refuses the image or exceeds a limit, `io` when it fails while
    ///   the file system has no room.
    static func run(
        _ arguments: [String], on image: String, seconds: Int = 60, largestFile: Int = 0,
        accepted: [Int32] = [0],
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws(CloudletError) -> String {
        let limits = [
            "--as=\(addressSpace)", "--cpu=\(seconds)", "--fsize=\(largestFile)", "--nofile=\(openFiles)", "--core=0",
        ]
        let ended = try await withDeadline(.seconds(10 * seconds)) { () async throws(CloudletError) in
            try await end(of: limits + ["--", "qemu-img"] + arguments, progress)
        }
        let command = arguments.first ?? ""
        guard let ended else {
            throw CloudletError(
                .badData, "qemu-img \(command) of \(image) was not done within \(Duration.seconds(10 * seconds).shown)",
                advice: "get the image again, or convert it on a faster machine")
        }
        let last = ended.errors.split(whereSeparator: \.isNewline).last.map(String.init) ?? "\(ended.status)"
        // QEMU repeats the description of the image's place that it was given.
        let words = arguments.filter { $0.hasPrefix("json:") }.reduce(last) { $0.replacing("'\($1)'", with: "it") }
        switch ended.status {
        case .exited(let status) where accepted.contains(status): return ended.output
        // The second one is for a program that ignores the first one.
        case .signaled(SIGXCPU), .signaled(SIGKILL):
            throw CloudletError(
                .badData,
                "qemu-img \(command) of \(image) took more than \(Duration.seconds(seconds).shown) of processor time",
                advice: "get the image again: it may be damaged")
        // prlimit could not execute qemu-img (126: it exists).
        case .exited(126), .exited(127):
            throw InstalledProgram.cannotRun(
                "qemu-img", package: "qemu-utils", cause: CloudletError(.unavailable, words.displayable(limit: 300)))
        default:
            let hasNoRoom = words.contains("No space left on device") || words.contains("Disk quota exceeded")
            throw CloudletError(
                hasNoRoom ? .io : .badData, "qemu-img \(command) of \(image) failed: \(words.displayable(limit: 300))")
        }
    }

    private struct End: Sendable {
        let status: TerminationStatus
        let output: String
        let errors: String
    }

    private static func end(
        of arguments: [String], _ progress: @escaping @Sendable (Double) -> Void
    ) async throws(CloudletError) -> End {
        do {
            // The messages are read above, in English. Each thread's own heap would take address space.
            let result = try await Subprocess.run(
                .name("prlimit"), arguments: Arguments(arguments),
                environment: .inherit.updating(["LC_ALL": "C", "MALLOC_ARENA_MAX": "1"]),
                input: .none, output: .sequence, error: .string(limit: 64 << 10)
            ) { execution in
                var output: [UInt8] = []
                for try await piece in execution.standardOutput {
                    let bytes = [UInt8](copying: Span<UInt8>(_bytes: piece.bytes))
                    if let part = Self.progress(in: bytes) { progress(part) } else { output += bytes }
                    guard output.count <= Self.longestOutput else {
                        throw CloudletError(.badData, "qemu-img printed more than \(ByteCount(Self.longestOutput))")
                    }
                }
                return String(decoding: output, as: UTF8.self)
            }
            return End(
                status: result.terminationStatus, output: result.closureResult, errors: result.standardError)
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted")
        } catch let error as CloudletError {
            throw error
        } catch {
            throw InstalledProgram.cannotRun("prlimit", package: "util-linux", cause: error)
        }
    }

    /// The last `(12.34/100%)` in a piece of output.
    private static func progress(in bytes: [UInt8]) -> Double? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.ranges(of: "/100%)").last?.lowerBound, let start = text[..<end].lastIndex(of: "("),
            let percent = Double(text[text.index(after: start)..<end])
        else { return nil }
        return percent / 100
    }
}
