// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletForwarding
import CloudletSystem
package import SystemPackage

/// The VMs of one process, by name, and how they end. Every VM is ended and its resources on the host are released
/// here: VMs that are being brought up, warm VMs, VMs of sessions and commands, detached VMs, and VMs of a process that
/// crashed or was interrupted.
extension Hypervisor {
    /// Ends a VM that nobody uses, and decides what happens if that fails. `end` can be called more than once.
    /// - Returns: whether the VM has ended.
    package typealias Ending =
        @Sendable (_ name: String, _ end: @escaping @Sendable () async throws(CloudletError) -> Void) async -> Bool

    /// Makes the scratch directory of a VM (0700).
    /// - Returns: its path.
    package func makeDirectory(of name: String) throws(CloudletError) -> FilePath {
        let path = directory(of: name)
        try Directory.create(path, permissions: 0o700)
        return path
    }

    func directory(of name: String) -> FilePath { workDirectory.appending(name) }

    /// Ends a VM at once, if it runs, and removes its scratch directory. Works in a cancelled task too, and can be
    /// called at any time and more than once. To let the guest shut down, call ``VirtualMachine/shutDown(within:)``
    /// before.
    /// - Throws: `CloudletError` when the emulator can't be ended, or a file can't be removed.
    package func tearDown(_ name: String) async throws(CloudletError) {
        try await end(name)
        try FileSystem.remove(directory(of: name))
    }

    /// Ends a VM at once, if it runs, and leaves its scratch directory.
    /// - Throws: `CloudletError` when the emulator can't be ended.
    package func end(_ name: String) async throws(CloudletError) {
        if let machine = care.vms.machine(name) {
            try await machine.destroy()
        } else {
            let domain = try await blocking { [connection] () throws(CloudletError) in
                try LibvirtDomain.active(name, on: connection)
            }
            try await domain?.end()
        }
        await RelayProcess.waitForEnd(in: directory(of: name))
    }

    /// Ends a VM whose work is done and saved: the same as ``tearDown(_:)``, but files that can't be removed are no
    /// failure. The next process that uses the directory removes them.
    /// - Throws: `CloudletError` when the emulator can't be ended.
    package func tearDownAfterWork(_ name: String) async throws(CloudletError) {
        try await end(name)
        try? FileSystem.remove(directory(of: name))
    }

    /// Tears down a VM that nobody uses, by the function with which the hypervisor was opened. That function also learns
    /// why the VM can't be ended, if that is so.
    /// - Returns: whether the VM has ended.
    @discardableResult
    package func abandon(_ name: String) async -> Bool {
        await ending(name) { [self] () async throws(CloudletError) in try await tearDown(name) }
    }

    /// Ends the VMs of an earlier process that used the directory, and removes its files. Detached VMs are kept. A VM
    /// that can't be ended does not keep the others.
    /// - Parameter wanted: names of further VMs to keep.
    /// - Returns: the names of the ended VMs.
    /// - Throws: `CloudletError` when the VMs and directories can't be listed.
    package func removeLeftovers(except wanted: Set<String> = []) async throws(CloudletError) -> [String] {
        let kept = wanted.union(try DetachedVM.all(in: root.directory).filter(\.isAlive).map(\.name))
        let running = try await runningVMs().subtracting(kept)
        let directories = try Directory.names(in: workDirectory).filter(HypervisorRoot.isVMName)
        var ended: [String] = []
        for name in running.union(directories).subtracting(kept).sorted() {
            if await abandon(name), running.contains(name) { ended.append(name) }
        }
        return ended
    }

    /// Names of the VMs that run in this directory.
    package func runningVMs() async throws(CloudletError) -> Set<String> {
        Set(try await activeDomains().map(\.name).filter(isOurs))
    }

    /// Looks after the ports of a VM that an earlier process left running.
    package func adoptPorts(of name: String) {
        RelayProcess().adopt(in: directory(of: name)) { [care] failure in
            care.vms.note(.relayEnded(vm: name, failure: failure))
        }
    }

    /// Waits until the VM with this name has ended.
    /// - Returns: the reason when its emulator failed; `nil` when the guest was shut down, the VM was ended on purpose,
    ///   or the task was cancelled.
    package func waitForEnd(of name: String) async -> CloudletError? {
        if let machine = care.vms.machine(name) { return await machine.waitForEnd() }
        let end = await connection.events.end(of: name) { (try? await runningVMs().contains(name)) == true }
        guard let end, !Task.isCancelled else { return nil }
        let words = isEmbedded ? EmulatorLog.lastWords(in: root.log(of: name)) : nil
        return EmulatorFailure(
            end: nil, isFailure: end.isFailure, memoryWasShort: care.vms.shortage.isRecent, words: words
        ).error
    }
}
