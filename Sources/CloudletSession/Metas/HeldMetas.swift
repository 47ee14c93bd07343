import CloudletCore
import CloudletOverlay
import CloudletSystem
import Synchronization

/// Bounds what the metas of all sessions take in memory once they are read, and gives it back to the system afterwards.
///
/// An ordinary meta is not counted: sessions are bounded by the admission, and large metas of one client must not keep others
/// from synthesizing small overlays. Large ones share a budget, of which each client address has a quarter.
final class HeldMetas: Sendable {
    /// What one meta takes. It is given back with the last reference.
    final class Holding: Sendable {
        private let client: String
        private let bytes: Int
        private let metas: HeldMetas

        fileprivate init(_ client: String, _ bytes: Int, _ metas: HeldMetas) {
            (self.client, self.bytes, self.metas) = (client, bytes, metas)
        }

        deinit { metas.giveBack(bytes, client) }
    }

    private struct State {
        var total = 0
        var clients: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int
    private let isTrimming = Atomic(false)
    /// Bytes that one meta may take without being counted.
    static let ordinary = 1 << 20
    /// How long after a meta is given up its last users have let go of it.
    private static let settling = Duration.seconds(1)

    init(limit: Int) { self.limit = limit }

    /// Bytes of the metas that are counted.
    var bytes: Int { state.withLock(\.total) }

    /// Counts a meta.
    /// - Returns: `nil` when metas take too much already.
    func take(_ meta: OverlayMeta, for client: String) -> Holding? {
        let size = meta.memoryBytes
        let bytes = size > Self.ordinary ? size : 0
        let fits = state.withLock { state in
            guard bytes > 0 else { return true }
            let own = state.clients[client, default: 0] + bytes
            guard state.total + bytes <= limit, own <= limit / 4 else { return false }
            state.total += bytes
            state.clients[client] = own
            return true
        }
        return fits ? Holding(client, bytes, self) : nil
    }

    private func giveBack(_ bytes: Int, _ client: String) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.total -= bytes
            let left = state.clients[client, default: 0] - bytes
            state.clients[client] = left > 0 ? left : nil
        }
        trimSoon()
    }

    /// Gives freed memory back to the system, once for all metas that are let go of in the next moment.
    func trimSoon() {
        guard !isTrimming.exchange(true, ordering: .acquiringAndReleasing) else { return }
        Task.detached { [self] in
            try? await Task.sleep(for: Self.settling)
            isTrimming.store(false, ordering: .releasing)
            _ = try? await MetaReading.large.run { () throws(CloudletError) in MallocArenas.trim() }
        }
    }
}

extension OverlayMeta {
    /// About what the meta takes in memory for a session: its own tables and those of the transfer.
    var memoryBytes: Int {
        let each = MemoryLayout<Blob>.stride + MemoryLayout<String>.stride + 6 * MemoryLayout<Int>.stride
        return blobs.reduce(0) { sum, blob in
            let name = blob.name.utf8.count > 15 ? blob.name.utf8.count + 32 : 0
            let lists = [blob.diskChunks.count, blob.memoryChunks.count].reduce(0) { $1 > 0 ? $0 + 32 + 4 * $1 : $0 }
            return sum + each + name + lists
        }
    }
}
