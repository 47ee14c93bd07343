// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletSynthesis
import CloudletSystem
import FoundationEssentials
import Glibc
import SystemPackage

/// Options of `cloudlet base` for images that cloud-init sets up.
struct CloudInitOptions: ParsableArguments {
    @Option(
        name: .customLong("cloud-init"),
        help: ArgumentHelp(
            "User data for cloud-init in the guest, or 'default': a user of your name with your SSH key and sudo.",
            valueName: "user-data"),
        completion: .file())
    var userData: String?

    @Option(
        name: .customLong("ssh-public-key"),
        help: "The public key for '--cloud-init default'; the first one in ~/.ssh unless given.", completion: .file())
    var publicKey: String?

    func validate() throws {
        if publicKey != nil, userData != "default" {
            throw ValidationError("--ssh-public-key is used with '--cloud-init default' only")
        }
    }

    /// Makes the content of the CD for cloud-init.
    /// - Parameter hostName: a name for the guest.
    /// - Returns: `nil` when cloud-init is not used.
    /// - Throws: `CloudletError` when the user data or the key can't be used.
    func seed(hostName: String) throws(CloudletError) -> CloudInitSeed? {
        guard let userData else { return nil }
        guard userData == "default" else {
            try ExistingFile.require(userData)
            return try CloudInitSeed(userData: FilePath(userData), hostName: hostName)
        }
        let path = if let publicKey { FilePath(publicKey) } else { try Self.ownKey() }
        try ExistingFile.require(path.string)
        let bytes = try File(path, .read).read(16 << 10, at: 0)
        let key = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        let user = Self.userName
        let seed = try CloudInitSeed(user: user, key: key, hostName: hostName)
        Console.note("cloud-init makes the user \(user), who can log in with the SSH key of \(path).")
        return seed
    }

    /// The first public key, in the order in which ssh tries the private ones.
    private static func ownKey() throws(CloudletError) -> FilePath {
        let directory = FilePath(ProcessInfo.processInfo.environment["HOME"] ?? "/").appending(".ssh")
        for name in ["id_rsa.pub", "id_ecdsa.pub", "id_ecdsa_sk.pub", "id_ed25519.pub", "id_ed25519_sk.pub"] {
            let path = directory.appending(name)
            if try FileStatus.of(path)?.isRegular == true { return path }
        }
        throw CloudletError(
            .notFound, "\(directory) contains no public SSH key",
            advice: "name one with --ssh-public-key, make one with ssh-keygen, or give user data of your own")
    }

    /// The caller's name, if a guest can have a user of this name; `root` exists in every guest.
    private static var userName: String {
        let name = unsafe getpwuid(geteuid()).map { unsafe String(cString: $0.pointee.pw_name) } ?? ""
        let isPlain =
            name.utf8.first.map { (0x61...0x7A).contains($0) } == true
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
            }
        return isPlain && name != "root" && name.utf8.count <= 32 ? name : "cloudlet"
    }
}
