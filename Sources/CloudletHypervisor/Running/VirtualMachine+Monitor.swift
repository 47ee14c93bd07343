// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Commands to QEMU's monitor (QMP), through libvirt.
extension VirtualMachine {
    /// Sends a command and ignores its result.
    func command(
        _ name: String, _ arguments: some Encodable, descriptors: [Int32] = []
    ) throws(CloudletError) {
        let text = try MonitorCommand(execute: name, arguments: arguments).text()
        let answer = try domain.monitor(text, descriptors: descriptors)
        _ = try MonitorAnswer<Nothing>.value(of: answer.utf8, command: name)
    }

    /// Sends a command and reads its result.
    func query<Value: Decodable>(
        _ name: String, _ arguments: some Encodable = Nothing(), as type: Value.Type
    ) throws(CloudletError) -> Value {
        let text = try MonitorCommand(execute: name, arguments: arguments).text()
        return try MonitorAnswer<Value>.value(of: try domain.monitor(text).utf8, command: name)
    }

    /// Sends a command of the human monitor and returns its output.
    func human(_ line: String) throws(CloudletError) -> String {
        let text = try MonitorCommand(
            execute: "human-monitor-command", arguments: HumanCommand(commandLine: line)
        ).text()
        return try MonitorAnswer<String>.value(of: try domain.monitor(text).utf8, command: line)
    }

    /// Passes one end of a stream to QEMU, under a name.
    /// - Returns: the other end.
    func passStream(_ name: String) throws(CloudletError) -> File {
        let pair = try SocketPair()
        try command("getfd", DescriptorName(fdname: name), descriptors: [pair.theirs.descriptor])
        return pair.ours
    }
}
