// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletStore
import CloudletSynthesis
import CloudletSystem

extension FallbackStorage {
    /// The directories in which a command keeps a VM when its files could not be written, or writing was interrupted.
    static func command(_ home: CloudletHome) -> FallbackStorage {
        FallbackStorage(home.kept, interruptions: CommandRunner.interruptions) { Console.note($0) }
    }
}
