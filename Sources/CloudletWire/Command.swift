// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The commands of the synthesis protocol (elijah 0.8, TCP 8021) and our own additions. Every message is a 4-byte
/// big-endian length and a MessagePack map with the key `command`; bulk data follows its message without a frame.
package enum Command {
    /// From client to server.
    package enum Client: UInt64, Sendable, CaseIterable {
        case sendMeta = 0x11
        case sendOverlay = 0x12
        case finish = 0x13
        case resourceInfo = 0x14
        case createSession = 0x15
        case closeSession = 0x16
        case overlayURL = 0x17
    }

    /// From server to client.
    package enum Server: UInt64, Sendable, CaseIterable {
        case success = 0x01
        case fail = 0x02
        case onDemand = 0x03
        case synthesisDone = 0x04
        /// Ours: the progress of the synthesis. Sent only to clients that asked for it.
        case progress = 0x41
    }
}

/// The keys of messages: the original's, then ours.
enum WireKey {
    static let command = "command"
    static let requestedCommand = "requested_command"
    static let sessionID = "session_id"
    static let metaSize = "meta_size"
    static let option = "synthesis_option"
    static let displayVNC = "option_display_vnc"
    static let earlyStart = "option_early_start"
    static let showStatistics = "option_show_statistics"
    static let blobURI = "blob_uri"
    static let blobSize = "blob_size"
    static let overlayURL = "overlay_url"
    static let reasons = "reasons"
    static let payload = "payload"

    static let appName = "app_name"
    static let apiVersion = "api_version"
    static let wantsProgress = "wants_progress"
    static let moveForwards = "move_forwards"
    static let resumes = "resumes"
    static let allowBoot = "allow_boot"
    static let position = "place"
    static let stage = "stage"
    static let percent = "percent"
    static let forwards = "forwards"
    static let booted = "booted"
    static let bootReason = "boot_reason"
    static let bootDifferences = "boot_differences"
    static let bootAnswered = "boot_answered"
    static let code = "code"
}

/// The version of our additions to the protocol. Our client sends it, and our server replies with it.
package enum ProtocolVersion {
    /// The version this code speaks.
    package static let current: UInt64 = 1
}
