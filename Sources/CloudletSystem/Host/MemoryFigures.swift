import SystemPackage

/// The machine's memory, from /proc/meminfo.
public struct MemoryFigures: Sendable, Hashable {
    /// All memory, bytes.
    public let total: Int
    /// Memory that programs could take without swapping, bytes.
    public let available: Int

    /// The figures now; zeros when the system doesn't tell.
    public static func current() -> MemoryFigures {
        guard let file = try? File("/proc/meminfo", .read), let bytes = try? file.read(8192, at: 0) else {
            return MemoryFigures(total: 0, available: 0)
        }
        var figures: [Substring: Int] = [:]
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count >= 2, let value = Int(parts[1]) { figures[parts[0]] = value << 10 }
        }
        return MemoryFigures(total: figures["MemTotal:"] ?? 0, available: figures["MemAvailable:"] ?? 0)
    }
}
