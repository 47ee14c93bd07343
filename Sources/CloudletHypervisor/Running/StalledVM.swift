// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
package import SystemPackage

/// A report that a VM was paused because its host has no space for its disk, or that it was resumed.
package struct FullDisk: Sendable, Hashable {
    /// The VM's name.
    package let vm: String
    /// The directory of its disk.
    package let directory: FilePath
    /// Whether there is enough space again, so that the VM runs. Otherwise it is paused, and no data is lost.
    package let hasRoom: Bool

    /// The text of a message.
    package var shown: String {
        hasRoom
            ? "the VM runs again: there is enough space for its disk"
            : "the VM is paused: \(directory) has no space left for what it writes to its disk. It is resumed when "
                + "\(ByteCount(Self.room)) are free there"
    }

    /// Bytes that must be free before the VM is resumed.
    static let room = HypervisorRoot.fullBelow
}

/// A VM that QEMU has paused because its disk can't grow, and what is needed to resume it.
struct StalledVM: Sendable {
    /// The state of the VM.
    enum State: Sendable {
        case stalled
        case goes
        case gone
    }

    let name: String
    /// The directory of its disk.
    let directory: FilePath
    /// Returns the state; called again and again. If it can't be found out, the VM counts as stalled.
    let state: @Sendable () async -> State
    /// Returns the free bytes in the directory of its disk.
    let room: @Sendable () -> Int
    let goOn: @Sendable () async throws(CloudletError) -> Void

    /// Resumes the VM as soon as there is space. If it stalls again at once, for example because of a quota, this is
    /// repeated without a further report. File systems report no event when space becomes free, so the space is checked
    /// repeatedly.
    /// - Parameters:
    ///   - interval: how often to check.
    ///   - note: receives a report when the VM stalls, and when it runs again.
    func attend(every interval: Duration = .seconds(1), note: @Sendable (FullDisk) -> Void) async {
        note(FullDisk(vm: name, directory: directory, hasRoom: false))
        while (try? await Task.sleep(for: interval)) != nil {
            switch await state() {
            case .gone: return
            case .goes: return note(FullDisk(vm: name, directory: directory, hasRoom: true))
            case .stalled:
                // If this fails, it is tried again.
                if room() >= FullDisk.room { try? await goOn() }
            }
        }
    }
}
