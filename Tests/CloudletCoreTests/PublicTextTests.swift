// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

/// What clients learn about errors.
@Suite struct PublicTextTests {
    @Test(
        "paths, programs and processes of this machine are left out, the rest stays",
        arguments: [
            (
                "can't open /home/ann/.cloudlet/bases/x/base-mem: Permission denied",
                "can't open a local file: Permission denied"
            ),
            ("can't read '/srv/my data/disk.img', byte 7", "can't read 'a local file', byte 7"),
            (
                "the emulator ended: -drive file=/var/lib/x.qcow2,if=none: no room",
                "the emulator ended: -drive file=a local file,if=none: no room"
            ),
            ("can't connect to qemu:///embed?root=/home/ann/x: refused", "can't connect to a local file: refused"),
            ("no answer at unix:/run/user/1000/s (/proc/9/fd/3)", "no answer at a local file (a local file)"),
            ("/a/b:c/d is damaged; use another", "a local file is damaged; use another"),
            (
                "port 80 of 10.0.0.1 can't be forwarded to port 80 of the VM: it is taken by Web Content (4711), sshd (22)",
                "port 80 of 10.0.0.1 can't be forwarded to port 80 of the VM: it is taken by another program"
            ),
            (
                "process 4711 does not end, nor PID: 12; kill -9 4711",
                "a process does not end, nor a process; a process"
            ),
            (
                "the VM needs 1.1 GiB of memory, 0 B (none) are left; use another node",
                "the VM needs 1.1 GiB of memory, 0 B (none) are left; use another node"
            ),
            (
                "the overlay can't be fetched from its URL http://10.0.0.9:80/a/b.zip: 404",
                "the overlay can't be fetched from its URL http://10.0.0.9:80/a/b.zip: 404"
            ),
            (
                "'ftp://10.0.0.9/a b' is no http or https URL, nor is 'file:///etc/passwd'; \"//srv/x\" is none",
                "'ftp://10.0.0.9/a b' is no http or https URL, nor is 'a local file'; \"a local file\" is none"
            ),
            ("tcp 2222:22 and/or 10 KiB/s", "tcp 2222:22 and/or 10 KiB/s"),
        ])
    func details(text: String, expected: String) {
        #expect(CloudletError(.unavailable, text).publicDescription == expected)
        let inner = CloudletError(.unavailable, "it failed", cause: CloudletError(.io, text))
        #expect(inner.publicDescription == "it failed: \(expected)")
    }

    private struct Foreign: Error {}
    private struct Shown: PublicError, CustomStringConvertible { let description = "item 7 is too long" }

    @Test("causes that concern the client's input are included, others are for the log only")
    func causes() {
        let foreign = CloudletError(.defect, "no", advice: "ask again", cause: Foreign())
        #expect(foreign.publicDescription == "no; ask again" && foreign.description.contains("Foreign"))
        #expect(CloudletError(.badData, "no", cause: Shown()).publicDescription == "no: item 7 is too long")
    }
}
