import CloudletSystem
import SystemPackage

extension HypervisorRoot {
    /// What is kept back on the disk, in bytes: a driver that comes writes the status of each running VM anew, and ends
    /// those whose status it can't write.
    private static let keptBytes = 1 << 20

    /// A disk with fewer bytes free counts as full.
    static let fullBelow = 16 << 20

    private var kept: FilePath { directory.appending("room") }

    private var isFull: Bool { ((try? FileSystem.freeSpace(at: directory)) ?? 0) < Self.fullBelow }

    /// Keeps room for the driver that comes, as long as there is enough for others.
    func keepRoom() {
        guard !isFull, let file = try? File(kept, .create(permissions: 0o600)) else { return }
        let bytes = [UInt8](repeating: 0x5A, count: Self.keptBytes)
        if (try? file.write(bytes, at: 0)) == nil { try? FileSystem.remove(kept) }
    }

    /// Gives the room to the driver that is about to be opened, when there is no other.
    func giveRoom() {
        if isFull { try? FileSystem.remove(kept) }
    }
}
