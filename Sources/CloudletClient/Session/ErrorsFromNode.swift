// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire

extension CloudletError {
    /// The error for an event that a client did not expect.
    init(unexpected event: ClientConversation.Event) {
        self.init(
            .protocolViolation, "the node sent an unexpected answer: \("\(event)".displayable(limit: 200))")
    }

    /// The node's reason as an error, with its code if that is a known one.
    init(nodeReason reason: String, code: String?) {
        let known = code.flatMap { word in CloudletError.Code.all.first { $0.description == word } }
        self.init(known ?? .unavailable, "the node says: \(reason.displayable(limit: 1000))")
    }
}
