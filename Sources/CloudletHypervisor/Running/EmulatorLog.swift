import CloudletCore
import CloudletSystem
import SystemPackage

/// What QEMU said before it ended, from the log libvirt keeps.
enum EmulatorLog {
    /// The last lines that look like a complaint, joined; `nil` when there are none.
    static func lastWords(in log: FilePath) -> String? {
        guard let file = try? File(log, .read), let size = try? file.size(),
            let bytes = try? file.read(8192, at: max(0, size - 8192))
        else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        let complaints = lines.filter {
            // The command line stands in the log, too.
            $0.contains("qemu-system-x86_64: ") && !$0.contains("warning")
        }
        .suffix(2)
        .map { line in
            // "2026-…Z qemu-system-x86_64: text" becomes "text".
            line.firstRange(of: "qemu-system-x86_64: ").map { String(line[$0.upperBound...]) } ?? String(line)
        }
        return complaints.isEmpty ? nil : complaints.joined(separator: "; ").displayable(limit: 400)
    }
}
