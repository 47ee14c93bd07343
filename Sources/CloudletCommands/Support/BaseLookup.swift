// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// Looks up registered base VMs for commands.
enum BaseLookup {
    /// Opens the files of the base VM with this disk and checks that they are as registered.
    static func open(_ disk: String, _ home: CloudletHome) async throws(CloudletError) -> OpenBase {
        let registry = try Registry(home.database)
        return try await OpenBase.open(try registered(disk, registry), in: registry)
    }

    /// Looks up the base VM with this disk.
    /// - Throws: `CloudletError.notFound` with advice.
    private static func registered(_ disk: String, _ registry: Registry) throws(CloudletError) -> BaseVM {
        let path = try CloudletHome.resolve(FilePath(disk))
        guard let base = try registry.base(disk: path) else {
            // If the other files exist beside it, it is the disk of a base VM from another machine, and must not be
            // booted.
            let isMade = try FileStatus.of(BaseFiles(disk: path).memory) != nil
            throw CloudletError(
                .notFound, "\(path) is not a registered base VM; 'cloudlet list-base' lists those that are",
                advice: isMade
                    ? "its files exist; to register it, run: " + Shell.command("cloudlet", "add-base", path.string)
                    : "to make it a base VM, which boots the disk and writes to it, run: "
                        + Shell.command("cloudlet", "base", path.string))
        }
        return base
    }
}
