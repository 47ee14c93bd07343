import CNetwork
import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// Who holds a port of this machine, from /proc; programs of other users are seen by root only.
public enum PortUse {
    /// The transports.
    public enum Transport: String, Sendable {
        case tcp
        case udp
    }

    /// A program that holds a port.
    public struct Holder: Hashable, Sendable {
        /// Its process number; 0 when it could not be found out.
        public let pid: Int
        /// Its name.
        public let name: String
    }

    /// The programs that listen on a TCP port, or have bound a UDP port, at any address.
    public static func holders(of port: UInt16, _ transport: Transport) -> [Holder] {
        let inodes = ["", "6"].flatMap { Self.sockets(of: port, transport, "/proc/net/\(transport.rawValue)\($0)") }
        guard !inodes.isEmpty else { return [] }
        var holders: Set<Holder> = []
        for name in (try? Directory.names(in: "/proc")) ?? [] {
            guard let pid = Int(name) else { continue }
            let files = FilePath("/proc/\(pid)/fd")
            for file in (try? Directory.names(in: files)) ?? [] {
                guard let target = link(files.appending(file)), inodes.contains(target) else { continue }
                let name = (try? File(FilePath("/proc/\(pid)/comm"), .read).read(64, at: 0)) ?? []
                holders.insert(Holder(pid: pid, name: String(decoding: name.filter { $0 != 10 }, as: UTF8.self)))
            }
        }
        return holders.isEmpty
            ? [Holder(pid: 0, name: "a program of another user")] : holders.sorted { $0.pid < $1.pid }
    }

    /// Whether another program can have a UDP port beside those that hold it, as SSDP programs do (UDA 2.0 §1.1).
    public static func canShareUDP(_ port: UInt16) -> Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        return cloudlet_bind4(socket, 0, port) == 0
    }

    /// Whether the kernel knows a way for multicast of programs that name no interface.
    public static var hasMulticastRoute: Bool {
        let socket = cloudlet_udp_socket(AF_INET)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        return cloudlet_connect(socket, Peer(.v4(0xEFFF_FFFA), 1900).raw) == 0
    }

    private static func sockets(of port: UInt16, _ transport: Transport, _ path: String) -> [String] {
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
