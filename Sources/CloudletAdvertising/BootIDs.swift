// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// The numbers by which control points see that a device has restarted or has other addresses: BOOTID.UPNP.ORG (UDA 2.0
/// §1.2.2). Each number is higher than all before it, even if the clock was set back meanwhile.
package struct BootIDs: Sendable {
    private let file: FilePath?
    private let now: @Sendable () -> Int

    /// Continues the numbers stored in `directory`; without a directory, numbers are the time in seconds.
    package init(in directory: FilePath? = nil) {
        self.init(in: directory) { Int(Date().timeIntervalSince1970) }
    }

    init(in directory: FilePath?, now: @escaping @Sendable () -> Int) {
        file = directory?.appending("boot-id")
        self.now = now
    }

    /// Returns a number above `last`, or above the stored one, and stores it if possible.
    func next(after last: Int32? = nil) -> Int32 {
        let highest = last ?? file.flatMap(Self.read) ?? 0
        let number = max(Int32(clamping: now()), highest == .max ? 1 : highest + 1)
        if let file { Self.write(number, to: file) }
        return number
    }

    private static func read(_ path: FilePath) -> Int32? {
        guard let bytes = try? File(path, .read).read(16, at: 0) else { return nil }
        return Int32(String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber })
    }

    private static func write(_ number: Int32, to path: FilePath) {
        try? File.replace(path, with: Array("\(number)\n".utf8), permissions: 0o600)
    }
}
