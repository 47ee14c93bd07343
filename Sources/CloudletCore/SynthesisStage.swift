// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The stages of a session, in the order in which it passes them, and all the names they have.
///
/// `rawValue` is the name in the registry, in `cloudlet list-session` and in the label `stage` of the metric
/// `cloudlet_sessions`; ``wireName`` is the name in messages to clients. The measured parts of the work within a stage are
/// `TimedStage`s.
public enum SynthesisStage: String, Sendable, Hashable, CaseIterable {
    /// The session exists; its overlay was not announced yet.
    case created
    /// The overlay was announced; the session waits for room on the node.
    case waiting
    /// The overlay is received and placed.
    case receiving
    /// The VM is resumed, or booted where the overlay brings no memory.
    case resuming
    /// The VM runs.
    case running
    /// The session is over and its VM is gone.
    case ended

    /// Whether the session is over.
    package var isEnded: Bool { self == .ended }

    /// The name in PROGRESS messages and in the progress that clients show; `nil` for stages that are not reported as
    /// progress.
    public var wireName: String? {
        switch self {
        case .waiting: "queue"
        case .receiving: "receive"
        case .resuming: "resume"
        case .created, .running, .ended: nil
        }
    }

    /// The stage with this name in a PROGRESS message; `nil` for a name that this version does not know.
    package init?(wireName: String) {
        guard let stage = Self.allCases.first(where: { $0.wireName == wireName }) else { return nil }
        self = stage
    }
}
