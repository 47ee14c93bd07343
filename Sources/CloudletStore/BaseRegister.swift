// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import SystemPackage

/// Looks up the registered entries of base VMs, and records the results of checking their files.
package protocol BaseRegister: Sendable {
    /// The current entry of the base VM with this disk.
    func base(disk: FilePath) async throws(CloudletError) -> BaseVM?

    /// Records the stamp of a base VM's images after they were compared with the registered data, and whether they
    /// matched.
    func note(_ stamp: BaseStamp, isAsRegistered: Bool, of disk: FilePath) async throws(CloudletError)
}

extension Registry: BaseRegister {}
