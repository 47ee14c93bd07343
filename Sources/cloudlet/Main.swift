// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCommands
import SystemPackage

@main struct Main {
    static func main() async {
        ChildProcesses.runIfRequested()
        // In packages this file is also the program of the node, because nearly all of their code is the same.
        if FilePath(CommandLine.arguments.first ?? "").lastComponent == "cloudlet-node" {
            await CommandRunner.run(NodeCommand.self, handlesSignals: false)
        } else {
            await CommandRunner.run(CloudletCommand.self)
        }
    }
}
