// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Foundation
import Glibc

/// The journal's native protocol: a datagram of fields (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
enum Journal {
    private static let socket = LocalDatagram(to: "/run/systemd/journal/socket")

    /// Whether standard error is connected to the journal: `JOURNAL_STREAM` has its device and inode (systemd.exec(5)).
    static var isStandardError: Bool {
        guard let stream = ProcessInfo.processInfo.environment["JOURNAL_STREAM"],
            let identity = FileStatus.of(descriptor: STDERR_FILENO)?.identity
        else { return false }
        return stream == "\(identity.device):\(identity.inode)"
    }

    /// Sends an entry.
    /// - Returns: whether the journal accepted it.
    static func send(_ fields: [(name: String, value: String)]) -> Bool {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes += Array(name.utf8)
            if value.utf8.contains(UInt8(ascii: "\n")) {
                bytes.append(UInt8(ascii: "\n"))
                var length = UInt64(value.utf8.count)
                for _ in 0..<8 {
                    bytes.append(UInt8(truncatingIfNeeded: length))
                    length >>= 8
                }
            } else {
                bytes.append(UInt8(ascii: "="))
            }
            bytes += Array(value.utf8) + [UInt8(ascii: "\n")]
        }
        return socket?.send(bytes, waiting: false) ?? false
    }
}
