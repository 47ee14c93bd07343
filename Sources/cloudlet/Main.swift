// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCommands

@main struct Main {
    static func main() async {
        ChildProcesses.runIfRequested()
        await CommandRunner.run(CloudletCommand.self)
    }
}
