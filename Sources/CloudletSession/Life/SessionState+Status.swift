// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

// MARK: - The state as others see it

extension SessionState {
    /// The stage to show. For a session that is ending, it is the stage at which the end was requested.
    var stage: SynthesisStage {
        switch phase {
        case .created, .fetching: .created
        case .waiting: .waiting
        case .receiving: .receiving
        case .resuming: .resuming
        case .running: .running
        case .ending(_, let stage): stage
        case .ended: .ended
        }
    }

    /// Why the session ends or has ended.
    var endReason: EndReason? {
        switch phase {
        case .ending(let reason, _), .ended(let reason, _): reason
        default: nil
        }
    }

    /// Whether the session's overlay was announced and its end was not requested.
    var isActive: Bool {
        switch phase {
        case .waiting, .receiving, .resuming, .running: true
        case .created, .fetching, .ending, .ended: false
        }
    }

    var status: SessionStatus {
        var status = SessionStatus(id: id, client: client, created: created)
        status.stage = stage
        (status.appName, status.baseHash) = (details?.appName, details?.baseHash)
        status.receivedBytes = receivedBytes
        if case .waiting(let position) = phase { status.queuePosition = position }
        (status.vm, status.forwards, status.bootReason) = (vm, forwards, bootReason)
        if case .ended(let reason, _) = phase { status.endReason = reason }
        status.failure = failure
        return status
    }

    /// The error that a client receives when the session ends unexpectedly.
    var endError: CloudletError {
        if case .failed(let error)? = outcome, case .ended(.failed, _) = phase { return error }
        return CloudletError(failure ?? .unavailable, endReason?.description ?? "the session ended")
    }

    func hasReached(_ milestone: Milestone) -> Bool {
        switch (milestone, phase) {
        case (.decided, .receiving), (.decided, .resuming), (.decided, .running): true
        case (.decided, .ending(_, let stage)): stage != .waiting || outcome != nil
        case (.decided, _), (.settled, _): outcome != nil
        case (.endRequested, _): endReason != nil
        case (.ended, .ended): true
        case (.ended, _): false
        }
    }
}
