// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// Finds and kills the process of a VM's emulator without the emulator's or libvirt's help, because an emulator that is
/// stopped or whose main loop hangs does not answer.
enum EmulatorProcess {
    /// The process of the VM with this name.
    /// - Parameters:
    ///   - name: the VM's name.
    ///   - files: the directory in which an embedded driver stores the process numbers of its emulators. If it is `nil`
    ///     or does not contain the VM, all processes are searched.
    /// - Returns: the process number; `nil` when there is no such process.
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

    /// Whether a process is the emulator of the VM with this name: QEMU, run by this user, with the name in its command
    /// line. The command line alone proves nothing, because that of any program can contain the name.
    /// - Parameters:
    ///   - process: the process number.
    ///   - name: the VM's name.
    ///   - user: the user that must run it; `nil` for any.
    /// - Returns: whether it is that emulator.
    static func runs(_ process: Int32, _ name: String, as user: uid_t? = nil) -> Bool {
        guard let status = text(FilePath("/proc/\(process)/status"), 4096).map({ ProcessStatus($0) }),
            status.name.hasPrefix("qemu"), user == nil || status.user == user,
            let command = text(FilePath("/proc/\(process)/cmdline"), 1 << 16)
        else { return false }
        // If the kernel hides the program's path, the other checks decide.
        if let program = program(of: process), !program.hasPrefix("qemu") { return false }
        let words = command.split(separator: "\0", omittingEmptySubsequences: false)
        return zip(words, words.dropFirst()).contains { $0 == "-name" && $1.hasPrefix("guest=\(name),") }
    }

    /// Kills the emulator of the VM with this name, if there is one.
    static func kill(vm name: String, files: FilePath? = nil) throws(CloudletError) {
        guard let process = try of(vm: name, files: files), let handle = ProcessHandle(process) else { return }
        // Another process may have got the number since it was found.
        if runs(process, name, as: geteuid()) { handle.send(SIGKILL) }
    }

    /// Runs `body`, also in a cancelled task, because VMs are ended there too. If that takes longer than `limit`, kills
    /// the emulator of the VM with this name, so that the libvirt calls that wait for it return.
    static func killing<Value: Sendable>(
        _ name: String, files: FilePath?, after limit: Duration,
        _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        try await shielded { () async throws(CloudletError) in
            try await withDeadline(limit, body) { _ in try? Self.kill(vm: name, files: files) }
        }
    }

    private static func number(in file: FilePath) -> Int32? {
        text(file, 16).flatMap { Int32($0.filter { !$0.isWhitespace }) }
    }

    private static func text(_ path: FilePath, _ limit: Int) -> String? {
        guard let bytes = try? File(path, .read).read(limit, at: 0) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The file name of the program that a process runs; `nil` when the kernel does not allow to read it.
    private static func program(of process: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/\(process)/exe", &buffer, 4096)
        guard count > 0 else { return nil }
        let path = FilePath(String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        return path.lastComponent?.string
    }
}

/// The kernel's information about a process (/proc/PID/status, proc(5)).
private struct ProcessStatus {
    /// The program's name, cut to 15 characters.
    var name = ""
    /// The effective user.
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

    /// Ends the emulator, also while other calls wait for it. Does nothing if it has already ended. Kills a hanging
    /// emulator earlier than libvirt, which waits ten seconds before it does so.
    ///
    /// A killed emulator does not end while it waits in the kernel, for example for a disk that does not answer (state
    /// D). The time needs no limit here: libvirt gives up after 40 seconds (`virProcessKillPainfullyDelay`).
    /// - Throws: `CloudletError` when the emulator does not end.
    func end() async throws(CloudletError) {
        try await EmulatorProcess.killing(name, files: connection.processFiles, after: Self.timeout) {
            () async throws(CloudletError) in
            try await blocking { [self] () throws(CloudletError) in try destroy() }
        }
    }
}
