// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Why a document is not valid.
struct MarkupFault: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

extension String {
    /// The text, shortened and made harmless for a message.
    var shown: String { displayable(limit: 60) }
}
