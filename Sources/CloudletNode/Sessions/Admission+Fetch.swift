// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import Synchronization

/// Admission of overlay packages that the node fetches for its clients.
extension Admission {
    private static let fetchesAtOnce = 16

    /// Permits the fetch of a client's package. It counts as a session of the client until the permit's reservation is
    /// released.
    /// - Returns: the permit; call its `makeRoom` before bytes are written.
    /// - Throws: `CloudletError.busy` when the quota is used up, or too many packages are being fetched.
    func beginFetch(client: String) throws(CloudletError) -> FetchPermit {
        let policy = policy()
        let ticket = try state.withLock { (state) throws(CloudletError) in
            try state.requireQuota(client, policy)
            guard state.fetches.count < Self.fetchesAtOnce else {
                throw CloudletError(
                    .busy, "the node fetches \(state.fetches.count) overlays already", advice: "try again later")
            }
            state.next += 1
            state.fetches[state.next] = .init(client: client)
            return state.next
        }
        return FetchPermit(
            reservation: Reservation { self.change { _ = $0.fetches.removeValue(forKey: ticket) } }
        ) { (bytes) throws(CloudletError) in try self.reserve(bytes, for: ticket) }
    }

    /// Reserves space for bytes that a fetch is about to write. It replaces the previous reservation, because the bytes
    /// written since then are included in the host's figures.
    private func reserve(_ bytes: Int, for ticket: Int) throws(CloudletError) {
        let (policy, figures) = (policy(), look(isNew: true))
        try state.withLock { (state) throws(CloudletError) in
            state.fetches[ticket]?.writing = 0
            let room = state.room(policy, figures).disk
            guard bytes <= room else {
                throw CloudletError(
                    .busy, "the overlay exceeds the disk space that is left", advice: "try again later")
            }
            state.fetches[ticket]?.writing = bytes
        }
    }
}

/// The permission to fetch a package.
struct FetchPermit: Sendable {
    /// Counts the fetch among the client's sessions until it is released.
    let reservation: Reservation
    /// Called with a number of bytes before they are written; throws an error if there is no space for them.
    let makeRoom: @Sendable (Int) throws(CloudletError) -> Void
}
