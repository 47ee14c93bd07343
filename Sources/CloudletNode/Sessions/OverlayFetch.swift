// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletOverlay
import CloudletSession
import CloudletSynthesis
import CloudletSystem
import Subprocess
import SystemPackage

/// Fetches overlay packages from URLs that clients name (SEND_OVERLAY_URL).
///
/// A node that fetches any URL could be used to reach hosts that its clients can't reach. By default it fetches only
/// from the client's own address.
struct OverlayFetch: Sendable {
    /// The hosts from which overlays are fetched.
    let policy: OverlayURLPolicy
    /// The directory of packages while they are used.
    let directory: FilePath
    /// The largest package in bytes.
    let limit: @Sendable () -> Int

    /// The longest time for a whole package, in seconds.
    var longest = 3600

    private static let stallSeconds = 30
    private static let slowest = 1024
    /// Space is reserved in steps of this many bytes.
    private static let step = 1 << 20

    /// Fetches a package. Its file has no name, so it is removed when the last reference is released.
    /// - Parameters:
    ///   - text: the URL.
    ///   - client: the address of the client that named it.
    ///   - makeRoom: called with a number of bytes before they are written; throws an error if there is no space for
    ///     them.
    /// - Returns: the overlay in the package.
    /// - Throws: `CloudletError` with a reason for the client.
    func fetch(
        _ text: String, for client: String,
        makeRoom: @escaping @Sendable (Int) throws(CloudletError) -> Void = { _ in }
    ) async throws(CloudletError) -> OverlaySource {
        let url = try check(text, client)
        // The directory is created with the first VM, and may have been removed since.
        try Directory.create(directory, permissions: 0o700)
        let file = try File.unnamed(in: directory)
        try await download(url, to: file, makeRoom)
        // Opening a package with a large directory or meta takes a second, so it is done on another thread.
        return try await WorkerPool.shared.run { () throws(CloudletError) in OverlaySource(try OverlayPackage(file)) }
    }

    private func check(_ text: String, _ client: String) throws(CloudletError) -> String {
        guard policy != .off else {
            throw CloudletError(
                .permission, "this node does not fetch overlays from URLs", advice: "send the overlay itself")
        }
        guard text.utf8.count <= 2000, let url = AbsoluteURL(text), ["http", "https"].contains(url.scheme),
            let server = url.server
        else {
            throw CloudletError(.badData, "'\(text.displayable(limit: 80))' is not an http or https URL")
        }
        // A zone in the URL would name a link of this host, which may differ from the client's.
        let named = server.host == ScopedAddress(client).map { .address($0.withoutZone) }
        guard policy == .any || named else {
            throw CloudletError(
                .permission, "this node fetches overlays only from the client's own address \(client)",
                advice: "send the overlay itself, or let the node's owner set session.overlay-urls")
        }
        return text
    }

    private func download(
        _ url: String, to file: File, _ makeRoom: @escaping @Sendable (Int) throws(CloudletError) -> Void
    ) async throws(CloudletError) {
        let limit = limit()
        let result: ExecutionResult<Void, SequenceOutput, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("curl"),
                arguments: [
                    "--silent", "--show-error", "--fail", "--globoff", "--proto", "=http,https", "--max-redirs", "0",
                    "--noproxy", "*", "--connect-timeout", "10", "--speed-limit", "\(Self.slowest)", "--speed-time",
                    "\(Self.stallSeconds)", "--max-time", "\(longest)", "--max-filesize", "\(limit)", "--", url,
                ], input: .none, output: .sequence, error: .string(limit: 16 << 10)
            ) { curl in
                // curl has no size limit for a package whose size isn't announced; it is ended when this throws an
                // error.
                var (count, room) = (0, 0)
                for try await piece in curl.standardOutput {
                    let bytes = piece.bytes
                    guard count + bytes.byteCount <= limit else {
                        throw CloudletError(
                            .unavailable, "the overlay at its URL exceeds the \(ByteCount(limit)) there is room for")
                    }
                    if count + bytes.byteCount > room {
                        let step = max(Self.step, bytes.byteCount)
                        try makeRoom(step)
                        room = count + step
                    }
                    try file.write(Span<UInt8>(_bytes: bytes), at: count)
                    count += bytes.byteCount
                }
            }
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted")
        } catch let error as CloudletError {
            throw error
        } catch {
            throw InstalledProgram.cannotRun("curl", package: "curl", cause: error)
        }
        guard result.terminationStatus.isSuccess else {
            let words = result.standardError.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            throw CloudletError(
                .unavailable, "the overlay can't be fetched from its URL: \(words.displayable(limit: 200))")
        }
    }
}
