// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletClient

/// Finds a node, runs the VM of an overlay on it until Enter is pressed, and prints the forwarded ports.
@main struct Example {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else { return print("usage: client-example OVERLAY") }
        let overlay = try OverlaySource(at: CommandLine.arguments[1])

        let finder = Finder()
        guard let node = try await finder.find(wanting: overlay.meta.baseHash).first else {
            for hint in finder.explainNothingFound() { print("\(hint.finding); \(hint.advice)") }
            return
        }
        print("found \(node.name.displayable(limit: 60)) at \(node.sessionAddress)")

        try await SynthesisClient(node).synthesize(overlay) { progress in
            if case .stage(let stage, _) = progress { print("the node is at: \(stage)") }
        } while: { vm in
            for forward in vm.forwards {
                print("\(forward.transport) \(vm.host):\(forward.hostPort) leads to port \(forward.guestPort)")
            }
            _ = readLine()
        }
    }
}
