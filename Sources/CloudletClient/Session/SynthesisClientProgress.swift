// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore

/// A step of the work of a ``SynthesisClient``.
public enum SynthesisClientProgress: Sendable, Hashable {
    /// This many bytes of the overlay are sent.
    case sent(Int)
    /// The node has reached this stage.
    case stage(SynthesisStage, percent: UInt64?)
    /// The node has no capacity at the moment; position 1 is next.
    case queued(position: Int)
}
