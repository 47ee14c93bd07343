// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc
import SystemPackage

/// A program that uses a port of this machine.
package struct PortHolder: Hashable, Sendable {
    /// Its process number; 0 when it is not known.
    package let pid: Int
    /// Its name.
    package let name: String

    /// The programs that listen on a TCP port, or have bound a UDP port, at any address. Read from /proc, where only
    /// root sees the programs of other users.
    package static func all(of port: UInt16, _ transport: PortForward.Transport) -> [PortHolder] {
        let inodes = ["", "6"].flatMap { Self.sockets(of: port, transport, "/proc/net/\(transport.rawValue)\($0)") }
        guard !inodes.isEmpty else { return [] }
        var holders: Set<PortHolder> = []
        for name in (try? Directory.names(in: "/proc")) ?? [] {
            guard let pid = Int(name) else { continue }
            let files = FilePath("/proc/\(pid)/fd")
            for file in (try? Directory.names(in: files)) ?? [] {
                guard let target = link(files.appending(file)), inodes.contains(target) else { continue }
                let name = (try? File(FilePath("/proc/\(pid)/comm"), .read).read(64, at: 0)) ?? []
                holders.insert(PortHolder(pid: pid, name: String(decoding: name.filter { $0 != 10 }, as: UTF8.self)))
            }
        }
        return holders.isEmpty
            ? [PortHolder(pid: 0, name: "a program of another user")] : holders.sorted { $0.pid < $1.pid }
    }

    private static func sockets(of port: UInt16, _ transport: PortForward.Transport, _ path: String) -> [String] {
        guard let bytes = try? File(FilePath(path), .read).read(4 << 20, at: 0) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, let hex = fields[1].split(separator: ":").last, UInt16(hex, radix: 16) == port,
                transport == .udp || fields[3] == "0A"
            else { return nil }
            return "socket:[\(fields[9])]"
        }
    }

    private static func link(_ path: FilePath) -> String? {
        var buffer = [CChar](repeating: 0, count: 128)
        let count = unsafe readlink(path.string, &buffer, 128)
        return count > 0 ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }
}

extension [PortHolder] {
    /// Names and process numbers, such as `python3 (1234)`.
    package var shown: String {
        map { $0.pid == 0 ? $0.name : "\($0.name.displayable()) (\($0.pid))" }.joined(separator: ", ")
    }
}
