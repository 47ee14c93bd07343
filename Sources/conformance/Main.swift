// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletConformance

/// The program `conformance`.
@main struct Main {
    static func main() async { await ConformanceCommand.run(arguments: CommandLine.arguments) }
}
