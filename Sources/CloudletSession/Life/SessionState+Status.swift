import CloudletCore

// MARK: - What a session shows of itself

extension SessionState {
    /// The stage that is shown: that of a session that is ending is the one at which its end was requested.
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

    /// Why it ends or has ended.
    var endReason: EndReason? {
        switch phase {
        case .ending(let reason, _), .ended(let reason, _): reason
        default: nil
        }
    }

    /// Whether its overlay was announced and its end was not requested.
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
        (status.vm, status.forwards) = (vm, forwards)
        if case .ended(let reason, _) = phase { status.endReason = reason }
        status.failure = failure
        return status
    }

    /// What a client receives when the session ends without its asking.
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
