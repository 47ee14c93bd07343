// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import Subprocess
package import SystemPackage

/// What cloud-init finds on a CD (its data source NoCloud): the user's data, an identity for the guest, and an order to
/// disable cloud-init and power the guest off when everything is done.
///
/// Source: cloud-init's documentation, "NoCloud" and "User data formats".
package struct CloudInitSeed: Sendable {
    private let userData: [UInt8]
    private let hostName: String

    private static let longestUserData = 1 << 20

    /// A seed with the user's own data.
    /// - Parameters:
    ///   - path: the file with the user data, in any of cloud-init's formats.
    ///   - hostName: a name for the guest; characters that no host name has are left out.
    /// - Throws: `CloudletError.badData` when cloud-init would ignore the file.
    package init(userData path: FilePath, hostName: String) throws(CloudletError) {
        let file = try File(path, .read)
        let bytes = try file.read(Self.longestUserData + 1, at: 0)
        guard bytes.count <= Self.longestUserData else {
            throw CloudletError(
                .badData,
                "\(path) has more than \(ByteCount(Self.longestUserData)): that is not user data of cloud-init",
                advice: "name the file with the user data")
        }
        guard Self.marks.contains(where: { bytes.starts(with: $0) }) else {
            throw CloudletError(
                .badData, "\(path) is not user data of cloud-init, which would ignore it",
                advice: "begin it with the line '#cloud-config', or with '#!' for a script")
        }
        self.init(bytes, hostName)
    }

    /// A seed that makes a user who can log in by an SSH key and use sudo.
    /// - Parameters:
    ///   - user: the user's name.
    ///   - key: the public key, as in a file `.pub` of OpenSSH.
    ///   - hostName: a name for the guest.
    /// - Throws: `CloudletError.badData` when the key is no public key.
    package init(user: String, key: String, hostName: String) throws(CloudletError) {
        let words = key.split(whereSeparator: \.isWhitespace)
        // The words are written into YAML between quotes.
        let isPlain = words.allSatisfy { $0.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C } }
        guard words.count >= 2, isPlain, ["ssh-", "ecdsa-", "sk-"].contains(where: words[0].hasPrefix) else {
            throw CloudletError(
                .badData, "'\(key.displayable(limit: 60))' is not a public SSH key",
                advice: "name another one with --ssh-public-key, or make one with ssh-keygen")
        }
        let text = """
            #cloud-config
            users:
              - name: "\(user)"
                gecos: "\(user)"
                shell: /bin/bash
                sudo: "ALL=(ALL) NOPASSWD:ALL"
                lock_passwd: true
                ssh_authorized_keys:
                  - "\(words.prefix(3).joined(separator: " "))"

            """
        self.init(Array(text.utf8), hostName)
    }

    private init(_ userData: [UInt8], _ hostName: String) {
        self.userData = userData
        let plain = hostName.lowercased().unicodeScalars.filter {
            ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "-"
        }
        let name = String(String.UnicodeScalarView(plain.drop { $0 == "-" }.prefix(60)))
        self.hostName = name.isEmpty ? "cloudlet" : name
    }

    /// How each format of user data begins; a compressed one too.
    private static let marks: [[UInt8]] =
        [
            "#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "## template: jinja",
            "Content-Type:", "MIME-Version:", "From ",
        ].map { Array($0.utf8) } + [[0x1F, 0x8B]]

    /// The files of the CD.
    var files: [(name: String, content: [UInt8])] {
        // Each base VM is another guest, so the identity is a new one.
        let instance = "iid-cloudlet-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let metaData = "instance-id: \(instance)\nlocal-hostname: \(hostName)\n"
        // User data takes precedence over vendor data, but does not replace scripts in it. The last stage of cloud-init
        // executes both parts. Without the CD, a later boot would set the guest up as another instance.
        let vendorData = """
            Content-Type: multipart/mixed; boundary="cloudlet"
            MIME-Version: 1.0

            --cloudlet
            Content-Type: text/cloud-config

            #cloud-config
            power_state:
              mode: poweroff
              message: "cloud-init is done"
              timeout: 120
              condition: true

            --cloudlet
            Content-Type: text/x-shellscript

            #!/bin/sh
            echo "Disabled by cloudlet base" > /etc/cloud/cloud-init.disabled

            --cloudlet--

            """
        return [
            ("meta-data", Array(metaData.utf8)), ("user-data", userData), ("vendor-data", Array(vendorData.utf8)),
        ]
    }

    /// Programs that write ISO images, with the Debian package of each.
    private static let writers = ["xorrisofs", "genisoimage"]

    /// Writes the CD's image into a directory.
    /// - Returns: the image's path.
    /// - Throws: `CloudletError.unavailable` when no program that writes such images is installed.
    func writeImage(in directory: FilePath) async throws(CloudletError) -> FilePath {
        let tree = directory.appending("seed")
        try Directory.create(tree, permissions: 0o700)
        for (name, content) in files {
            try File(tree.appending(name), .create(permissions: 0o600)).write(content, at: 0)
        }
        let image = directory.appending("seed.iso")
        // cloud-init looks for this label.
        let arguments = ["-quiet", "-V", "cidata", "-J", "-r", "-o", image.string, tree.string]
        for writer in Self.writers {
            let result: ExecutionResult<Void, DiscardedOutput, StringOutput<UTF8>>
            do {
                result = try await Subprocess.run(
                    .name(writer), arguments: Arguments(arguments), input: .none, output: .discarded,
                    error: .string(limit: 64 << 10))
            } catch is CancellationError {
                throw CloudletError(.interrupted, "interrupted")
            } catch {
                continue
            }
            guard result.terminationStatus.isSuccess else {
                let reason = result.standardError.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
                throw CloudletError(.io, "\(writer) can't write the CD for cloud-init: \(reason.displayable())")
            }
            return image
        }
        throw CloudletError(
            .unavailable,
            "no program is installed that writes the CD for cloud-init (\(Self.writers.joined(separator: ", ")))",
            advice: "install the package xorriso")
    }
}
