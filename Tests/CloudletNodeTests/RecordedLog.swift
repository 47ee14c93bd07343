// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Logging

/// Keeps what is logged.
struct RecordedLog: LogHandler {
    let events = LockedValue<[(message: String, metadata: Logger.Metadata)]>([])
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.info

    var messages: [String] { events.value.map(\.message) }

    /// A logger that writes here.
    var logger: Logger { Logger(label: "test") { _ in self } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { events.value.append(("\(event.message)", event.metadata ?? [:])) }
}
