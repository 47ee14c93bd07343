import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// The process of a VM's emulator, found and ended without asking the emulator or libvirt: one that was stopped, or
/// whose main loop hangs, answers neither.
enum EmulatorProcess {
    /// The process of the VM with this name.
    /// - Parameters:
    ///   - name: the VM's name.
    ///   - files: where an embedded driver writes the numbers of its emulators. Where that is not known, or says nothing,
    ///     all processes are looked through.
    /// - Returns: the process's number; `nil` when there is none.
    /// - Throws: `CloudletError` when the processes can't be listed.
    static func of(vm name: String, files: FilePath? = nil) throws(CloudletError) -> Int32? {
        if let files, let noted = number(in: files.appending("\(name).pid")), runs(noted, name, as: geteuid()) {
            return noted
        }
        for entry in try Directory.names(in: "/proc") {
            if let process = Int32(entry), runs(process, name, as: geteuid()) { return process }
        }
        return nil
    }

    /// Whether a process is the emulator of the VM with this name: QEMU, run by this user, with the name in its command line. Any program's command line may hold the name, and be meant for no emulator or for ours to be spared.
    /// - Parameters:
    ///   - process: the process's number.
    ///   - name: the VM's name.
    ///   - user: the user that must run it; `nil` for any.
    /// - Returns: whether it is.
    static func runs(_ process: Int32, _ name: String, as user: uid_t? = nil) -> Bool {
        guard let status = text(FilePath("/proc/\(process)/status"), 4096).map({ ProcessStatus($0) }),
            status.name.hasPrefix("qemu"), user == nil || status.user == user,
            let command = text(FilePath("/proc/\(process)/cmdline"), 1 << 16)
        else { return false }
        // What the kernel does not let us see decides nothing.
        if let program = program(of: process), !program.hasPrefix("qemu") { return false }
        let words = command.split(separator: "\0", omittingEmptySubsequences: false)
        return zip(words, words.dropFirst()).contains { $0 == "-name" && $1.hasPrefix("guest=\(name),") }
    }

    /// Kills the emulator of the VM with this name, if there is one.
    static func kill(vm name: String, files: FilePath? = nil) throws(CloudletError) {
        guard let process = try of(vm: name, files: files), let handle = ProcessHandle(process) else { return }
        // The number may have been another's since it was found.
        if runs(process, name, as: geteuid()) { handle.send(SIGKILL) }
    }

    /// Runs `body`; when that takes longer than `limit`, the emulator of the VM with this name is killed, upon which
    /// libvirt's calls for it come back.
    static func killing<Value>(
        _ name: String, files: FilePath?, after limit: Duration, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        // Not a child: what ends a VM must do so in a task that is cancelled, too.
        let watch = Task {
            try await Task.sleep(for: limit)
            try Self.kill(vm: name, files: files)
        }
        defer { watch.cancel() }
        return try await body()
    }

    private static func number(in file: FilePath) -> Int32? {
        text(file, 16).flatMap { Int32($0.filter { !$0.isWhitespace }) }
    }

    private static func text(_ path: FilePath, _ limit: Int) -> String? {
        guard let bytes = try? File(path, .read).read(limit, at: 0) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The last part of the path of the program that a process runs; `nil` when the kernel does not tell.
    private static func program(of process: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/\(process)/exe", &buffer, 4096)
        guard count > 0 else { return nil }
        let path = FilePath(String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        return path.lastComponent?.string
    }
}

/// What the kernel says of a process (/proc/PID/status, proc(5)).
private struct ProcessStatus {
    /// The program's name, cut to 15 characters.
    var name = ""
    /// The user it acts as.
    var user: uid_t?

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count > 1 else { continue }
            if fields[0] == "Name:" { name = String(fields[1]) }
            if fields[0] == "Uid:", fields.count > 2 { user = uid_t(fields[2]) }
        }
    }
}

extension LibvirtDomain {
    /// How long an emulator may take to end by itself.
    private static let timeout = Duration.seconds(3)

    /// Ends the emulator, also while other calls wait for it; one that is gone already is fine. libvirt itself asks an
    /// emulator that hangs for ten seconds before it kills it.
    func end() async throws(CloudletError) {
        try await EmulatorProcess.killing(name, files: connection.processFiles, after: Self.timeout) {
            () async throws(CloudletError) in
            try await blocking { [self] () throws(CloudletError) in try destroy() }
        }
    }
}
