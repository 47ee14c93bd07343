// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

/// The names of stages: programs, clients of all times and registries of earlier nodes know them.
@Suite struct StageTests {
    @Test("a session's stages keep their names in the registry and on the wire")
    func sessionStages() {
        #expect(
            SynthesisStage.allCases.map(\.rawValue) == [
                "created", "waiting", "receiving", "resuming", "running", "ended",
            ])
        #expect(SynthesisStage.allCases.map(\.wireName) == [nil, "queue", "receive", "resume", nil, nil])
        for name in ["queue", "receive", "resume"] { #expect(SynthesisStage(wireName: name)?.wireName == name) }
        for name in ["waiting", "verify", ""] { #expect(SynthesisStage(wireName: name) == nil) }
    }

    @Test("measured stages keep the names that logs and metrics show")
    func timedStages() {
        let synthesis: [TimedStage] = [
            .copyMemory, .startEmulator, .receiveAndPlace, .finishDisk, .loadState, .resume, .beginToBoot,
            .refreshGuest, .applicationReady, .endVM,
        ]
        #expect(
            synthesis.map(\.rawValue) == [
                "copy memory", "start emulator", "receive and place", "finish disk", "load state", "resume",
                "begin to boot", "refresh guest", "application ready", "end VM",
            ])
        #expect(TimedStage.receiveAndPlace.metricLabel == "receive_and_place")
        #expect(TimedStage.allCases.allSatisfy { !$0.metricLabel.contains(" ") })
    }
}
