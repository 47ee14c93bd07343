// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletSystem
import Foundation

/// A program that shows a VNC display.
struct Viewer: Sendable {
    /// The program.
    let name: String

    private static let known = ["gvncviewer", "remote-viewer"]

    /// Chooses the viewer that the user named, or the first installed one if there is a screen to show it on. The
    /// result is `nil` for `none`, and if there is no screen.
    init?(choice: String?) throws(CloudletError) {
        if choice == "none" { return nil }
        if let choice {
            guard InstalledProgram.canRun(choice) else {
                throw CloudletError(
                    .notFound, "the viewer \(choice.displayable(limit: 60)) can't be run",
                    advice: "name an installed program, or 'none'")
            }
            name = choice
            return
        }
        let environment = ProcessInfo.processInfo.environment
        guard environment["DISPLAY"] != nil || environment["WAYLAND_DISPLAY"] != nil,
            let installed = Self.known.first(where: InstalledProgram.canRun)
        else { return nil }
        name = installed
    }

    /// Shows the VNC display at this port of 127.0.0.1 until the user closes the viewer.
    func show(port: UInt16) async throws(CloudletError) {
        // gvncviewer takes a display number, the others take a URI.
        let target = name.hasSuffix("gvncviewer") ? "127.0.0.1:\(Int(port) - 5900)" : "vnc://127.0.0.1:\(port)"
        let status = try await ChildProgram.run([name, target], adding: [:])
        guard status == 0 else {
            throw CloudletError(
                .unavailable, "the viewer \(name) ended with status \(status)",
                advice:
                    "choose another viewer with --viewer, or use --viewer none and press Enter when the work is done")
        }
    }
}
