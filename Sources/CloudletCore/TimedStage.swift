// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A stage of the work on a VM whose time is measured. Such stages overlap.
///
/// `rawValue` is the name in logs and tables, which programs match; ``metricLabel`` is the label `stage` of the metric
/// `cloudlet_stage_seconds`.
package enum TimedStage: String, Sendable, Hashable, CaseIterable {
    // Synthesis.
    case copyMemory = "copy memory"
    case startEmulator = "start emulator"
    case receiveAndPlace = "receive and place"
    case finishDisk = "finish disk"
    case loadState = "load state"
    case resume
    case beginToBoot = "begin to boot"
    case refreshGuest = "refresh guest"
    case applicationReady = "application ready"
    case endVM = "end VM"

    // Making base VMs and overlays.
    case cloudInit = "cloud-init"
    case setUp = "set up"
    case customise
    case closingStep = "closing step"
    case saveState = "save state"
    case shutDown = "shut down"
    case saveMemory = "save memory"
    case hash
    case compare
    case compress

    /// The name without blanks, as a label of metrics.
    package var metricLabel: String { rawValue.replacing(" ", with: "_") }
}
