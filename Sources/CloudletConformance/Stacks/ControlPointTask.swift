// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import Subprocess
import SystemPackage

/// A task for libupnp's control point, and how to run it: libupnp runs in a separate process, so that only this process
/// ends when a device makes libupnp crash.
struct ControlPointTask: Sendable {
    /// The interface of this host.
    var interface = ""
    /// The device type to search for.
    var deviceType = ""
    var udn = ""
    /// The URLs of the device description and of the service descriptions.
    var location = ""
    var documents: [String] = []
    /// The control URL for an action without arguments; empty to skip this.
    var control = ""
    var serviceType = ""
    var action = ""
    /// The URL to subscribe to; empty to skip this.
    var events = ""

    /// The first argument that makes the executable libupnp's process.
    static let marker = "--libupnp-control-point"

    /// The task as command-line arguments.
    var arguments: [String] {
        [Self.marker, interface, deviceType, udn, location, control, serviceType, action, events] + documents
    }

    init() {}

    /// Reads the task from command-line arguments without the program's name.
    init?(_ arguments: [String]) {
        guard arguments.count >= 9, arguments[0] == Self.marker else { return nil }
        (interface, deviceType, udn, location) = (arguments[1], arguments[2], arguments[3], arguments[4])
        (control, serviceType, action, events) = (arguments[5], arguments[6], arguments[7], arguments[8])
        documents = Array(arguments[9...])
    }

    /// Runs the process.
    /// - Returns: the outcomes by the names of requirements.
    func run() async -> Outcomes {
        do {
            let result = try await Subprocess.run(
                .path("/proc/self/exe"), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
                error: .discarded)
            var outcomes: Outcomes = [:]
            for line in result.standardOutput.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 2).map(String.init)
                guard words.count == 3 else { continue }
                let evidence = words[2].displayable(limit: 300)
                outcomes[words[0]] = words[1] == "pass" ? .pass(evidence) : .fail(evidence)
            }
            for requirement in ["S01", "S02", "S03", "S04"] where outcomes[requirement] == nil {
                outcomes[requirement] = .fail("libupnp ended (\(result.terminationStatus)) before it had a result")
            }
            return outcomes
        } catch {
            let why = Outcome.notChecked("libupnp's process can't be started: \(error)")
            return ["S01": why, "S02": why, "S03": why, "S04": why]
        }
    }
}
