import CloudletCore
import CloudletSystem
package import SystemPackage

/// What became of a VM whose host has no room for what it writes to its disk.
package struct FullDisk: Sendable, Hashable {
    /// The VM's name.
    package let vm: String
    /// Where its disk lies.
    package let directory: FilePath
    /// Whether there is room again, and the VM goes on; else it stands still, and nothing is lost.
    package let hasRoom: Bool

    /// In words.
    package var shown: String {
        hasRoom
            ? "the VM goes on: there is room for its disk again"
            : "the VM stands still: there is no room in \(directory) for what it writes to its disk. It goes on when "
                + "\(ByteCount(Self.room)) are free there"
    }

    /// Room that there must be, in bytes, before a VM goes on.
    static let room = HypervisorRoot.fullBelow
}

/// A VM that QEMU has stopped because its disk can't grow, and what is needed to let it go on.
struct StalledVM: Sendable {
    /// What a VM is doing.
    enum State: Sendable {
        case stalled
        case goes
        case gone
    }

    let name: String
    /// Where its disk lies.
    let directory: FilePath
    /// Asked again and again; one that can't be asked is taken to stand still.
    let state: @Sendable () async -> State
    /// Free bytes where its disk lies.
    let room: @Sendable () -> Int
    let goOn: @Sendable () async throws(CloudletError) -> Void

    /// Lets the VM go on as soon as there is room. Where it stands still again at once, as under a quota, it is tried again
    /// and nothing more is reported. File systems report no event when there is room again, so it is looked for.
    /// - Parameters:
    ///   - interval: how often to look.
    ///   - note: receives that the VM stands still, and that it goes on.
    func attend(every interval: Duration = .seconds(1), note: @Sendable (FullDisk) -> Void) async {
        note(FullDisk(vm: name, directory: directory, hasRoom: false))
        while (try? await Task.sleep(for: interval)) != nil {
            switch await state() {
            case .gone: return
            case .goes: return note(FullDisk(vm: name, directory: directory, hasRoom: true))
            case .stalled:
                // What can't be done now is tried again.
                if room() >= FullDisk.room { try? await goOn() }
            }
        }
    }
}
