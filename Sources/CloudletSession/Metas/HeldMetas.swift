import CloudletCore
import CloudletOverlay
import CloudletSystem
import Synchronization

/// Limits the memory that the parsed metas of all sessions take, and returns it to the system afterwards.
///
/// Metas of ordinary size are not counted: admission limits the number of sessions, and the large metas of one client
/// must not prevent others from synthesizing small overlays. Large metas share a budget, of which each client address
/// may use a quarter.
final class HeldMetas: Sendable {
    /// The share of the budget that one meta takes. It is released with the last reference.
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
    /// How long to wait after a meta is released, so that the last tasks have dropped it.
    private static let settling = Duration.seconds(1)

    init(limit: Int) { self.limit = limit }

    /// The total memory of the counted metas in bytes.
    var bytes: Int { state.withLock(\.total) }

    /// Reserves memory for a meta.
    /// - Returns: the share of the budget, or `nil` if metas take too much memory already.
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

    /// Returns freed memory to the system, once for all metas that are released within a moment.
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
    /// The approximate memory that the meta takes for a session: its own tables and those of the transfer.
    var memoryBytes: Int {
        let each = MemoryLayout<Blob>.stride + MemoryLayout<String>.stride + 6 * MemoryLayout<Int>.stride
        return blobs.reduce(0) { sum, blob in
            let name = blob.name.utf8.count > 15 ? blob.name.utf8.count + 32 : 0
            let lists = [blob.diskChunks.count, blob.memoryChunks.count].reduce(0) { $1 > 0 ? $0 + 32 + 4 * $1 : $0 }
            return sum + each + name + lists
        }
    }
}
