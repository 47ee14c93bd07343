// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletFind

@main struct Main {
    static func main() async { await CommandRunner.run(FindCommand.self) }
}
