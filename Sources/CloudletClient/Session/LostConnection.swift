// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// The connection was lost, and the node gave no reason.
struct LostConnection: Error {
    /// What to report when there is no reconnection.
    let reason: CloudletError
    /// Whether the node had sent a message before.
    let wasAnswered: Bool
}
