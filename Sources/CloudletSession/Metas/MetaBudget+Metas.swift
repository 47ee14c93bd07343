// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletOverlay

extension MetaBudget {
    /// A budget for the bytes of metas that have not been parsed yet. The first bytes of each connection are not
    /// counted.
    static func unreadMetas(limit: Int) -> MetaBudget { MetaBudget(limit: limit, exempting: .first(64 << 10)) }

    /// A budget for the memory of the parsed metas of all sessions. Metas of ordinary size are not counted: admission
    /// limits the number of sessions, and the large metas of one client must not prevent others from synthesizing small
    /// overlays. Released memory is returned to the system.
    static func parsedMetas(limit: Int) -> MetaBudget {
        MetaBudget(limit: limit, exempting: .upTo(ordinaryMeta), onRelease: MetaReading.trimSoon)
    }

    /// The bytes that a parsed meta of ordinary size takes at most.
    static let ordinaryMeta = 1 << 20

    /// Reserves memory for a parsed meta.
    /// - Returns: the account that holds it, or `nil` if metas take too much memory already.
    func take(_ meta: OverlayMeta, for client: String) -> Account? {
        let account = account(for: client)
        return account.hold(meta.memoryBytes) ? account : nil
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
