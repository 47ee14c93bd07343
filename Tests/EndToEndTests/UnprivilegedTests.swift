// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// The node with no more rights than its systemd unit gives it.
extension EndToEndTests {
    @Test("a user without any capability runs the node and a whole session, under the unit's system-call filter")
    func unprivileged() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let client = Repository.root.appending("Scripts/guest/face-client").string
        let sandbox = Repository.root.appending("Tests/EndToEndTests/Reference/unit_sandbox.py").string
        let unit = Repository.root.appending("Descriptors/systemd/cloudlet-node.service").string
        // The checkout may be closed to other users: program and base VM are brought to where the user may read.
        let script = """
            set -e
            ip link set lo up
            chmod 755 '\(scratch.path)'; cd '\(scratch.path)'; mkdir programs base home; chmod 700 home
            mount --bind '\(Repository.programs)' programs
            cp --sparse=always '\(chain.directory)'/guest.* base/; cp '\(sandbox)' '\(unit)' .; chown nobody home
            # Another user's base VM, which may be read; its disk has a write bit still.
            chmod a+r base/*; chmod u+w base/guest.raw
            looks() { stat -c '%n %a %U %Y %s' base base/*; }
            before=$(looks)
            as() { setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=-all \\
                --inh-caps=-all --ambient-caps=-all env -i PATH="$PATH" HOME="$PWD/home" CLOUDLET_HOME="$PWD/home" "$@"; }
            as programs/cloudlet add-base base/guest.raw
            [ "$before" = "$(looks)" ] && echo 'the base VM is as it was'
            as /usr/bin/python3 unit_sandbox.py cloudlet-node.service programs/cloudlet-node --interface lo 2>log &
            for i in $(seq 600); do grep -q 'node is ready' log && break; sleep 0.1; done
            set +e
            CLOUDLET_HOME="$PWD/client" timeout 60 '\(Program.path("cloudlet-find"))' --interface lo --timeout 30 \\
                --overlay '\(chain.overlay)' --launch '\(client)'
            echo "find $?"
            pkill -TERM -P $!; wait $!; echo "node $?"
            umount programs
            """
        let result = try await Tool.run("unshare", ["-n", "-m", "bash", "-c", script])
        let log = (try? String(contentsOfFile: scratch.file("log").string, encoding: .utf8)) ?? ""
        let said = "\(result.output)\(result.errors)\(log)"
        #expect(result.output.contains("the base VM is as it was"), "\(said)")
        #expect(result.output.contains("find 0") && result.output.contains("node 0"), "\(said)")
        #expect(try FaceAnswer(in: result.output).continues(chain.before))
        let rights = try #require(log.split(separator: "\n").first { $0.contains("\"rights of this process\"") })
        #expect(rights.contains("\"user\":\"nobody\"") && rights.contains("\"capabilities\":\"none\""))
        #expect(rights.contains("\"no-new-privileges\":\"true\"") && rights.contains("\"seccomp\":\"true\""))
        #expect(!log.contains("runs as root"))
        #expect(try Directory.names(in: scratch.file("home/hypervisor/node/work")).isEmpty)
    }
}
