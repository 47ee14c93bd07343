// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import SystemPackage

/// The last messages of QEMU before it ended, from the log that libvirt writes.
enum EmulatorLog {
    /// How many logs of ended VMs are kept.
    private static let kept = 16
    /// Size in bytes at which the driver's log is emptied.
    private static let longest = 1 << 20

    /// Limits the logs of a driver with this root directory: the files of ended VMs, and the driver's own log.
    static func prune(_ root: FilePath) throws(CloudletError) {
        let directory = root.appending("log").appending("qemu")
        // The driver has a status file for each running VM.
        let running = Set(
            try Directory.names(in: root.appending("run").appending("qemu")).filter { $0.hasSuffix(".xml") }
                .map { String($0.dropLast(4)) + ".log" })
        var logs: [(path: FilePath, modified: Int)] = []
        for name in try Directory.names(in: directory) where name.hasSuffix(".log") && !running.contains(name) {
            let path = directory.appending(name)
            if let status = try FileStatus.of(path) { logs.append((path, status.modified)) }
        }
        for log in logs.sorted(by: { $0.modified < $1.modified }).dropLast(kept) { try FileSystem.remove(log.path) }
        let driver = root.appending("libvirt.log")
        // The driver appends to its log, so after truncation it continues at the beginning.
        if let status = try FileStatus.of(driver), status.size > longest {
            try File(driver, .readWrite).resize(to: 0)
        }
    }

    /// The last two messages of QEMU in a log, joined; `nil` when there are none. Warnings are left out, unless they are
    /// asked for: an emulator does not end because of them.
    static func lastWords(in log: FilePath, withWarnings: Bool = false) -> String? {
        guard let file = try? File(log, .read), let size = try? file.size(),
            let bytes = try? file.read(8192, at: max(0, size - 8192))
        else { return nil }
        return lastWords(in: String(decoding: bytes, as: UTF8.self), withWarnings: withWarnings)
    }

    /// The last two messages of QEMU in the text of a log.
    static func lastWords(in text: String, withWarnings: Bool = false) -> String? {
        let messages = text.split(whereSeparator: \.isNewline).filter {
            // The log also contains the emulator's command line.
            $0.contains("qemu-system-x86_64: ") && (withWarnings || !$0.contains("warning"))
        }
        .suffix(2)
        .map { line in
            // "2026-…Z qemu-system-x86_64: text" becomes "text".
            line.firstRange(of: "qemu-system-x86_64: ").map { String(line[$0.upperBound...]) } ?? String(line)
        }
        return messages.isEmpty ? nil : messages.joined(separator: "; ").displayable(limit: 400)
    }
}
