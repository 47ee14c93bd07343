// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Synchronization
import SystemPackage
import Testing

@testable import CloudletHypervisor

/// VMs whose disks can't grow.
@Suite(.timeLimit(.minutes(1))) struct StalledVMTests {
    /// A host and a VM on it that never were.
    private final class Host: Sendable {
        struct State {
            var room = 0
            var isStalled = true
            var isGone = false
            /// How often the VM stands still again at once.
            var relapses = 0
            var attempts = 0
            var looks = 0
        }

        let state = Mutex(State())
        let told = Mutex<[Bool]>([])
        /// Is called at each look, with their number.
        let change: @Sendable (inout State) -> Void

        init(_ change: @escaping @Sendable (inout State) -> Void) { self.change = change }

        func attend() async {
            let vm = StalledVM(
                name: "vm", directory: "/d",
                state: {
                    self.state.withLock { state in
                        state.looks += 1
                        self.change(&state)
                        return state.isGone ? .gone : state.isStalled ? .stalled : .goes
                    }
                }, room: { self.state.withLock(\.room) },
                goOn: { () async throws(CloudletError) in
                    try self.state.withLock { (state) throws(CloudletError) in
                        state.attempts += 1
                        if state.attempts == 1 { throw CloudletError(.unavailable, "busy") }
                        state.relapses -= 1
                        state.isStalled = state.relapses >= 0
                    }
                })
            await vm.attend(every: .milliseconds(1)) { disk in self.told.withLock { $0.append(disk.hasRoom) } }
        }
    }

    @Test(
        "it is reported once that a VM is paused; it is resumed when there is space, however often that has to be tried"
    )
    func goesOn() async {
        let host = Host { state in if state.looks == 3 { state.room = FullDisk.room } }
        host.state.withLock { $0.relapses = 2 }
        await host.attend()
        #expect(host.told.withLock { $0 } == [false, true])
        host.state.withLock { #expect($0.looks >= 7 && $0.attempts == 4) }
    }

    @Test("a VM without room is left alone, and its end ends the care for it")
    func ends() async {
        let host = Host { state in if state.looks == 5 { state.isGone = true } }
        host.state.withLock { $0.room = FullDisk.room - 1 }
        await host.attend()
        #expect(host.told.withLock { $0 } == [false])
        host.state.withLock { #expect($0.attempts == 0) }
    }

    @Test("what is told names the place that is full")
    func words() {
        #expect(FullDisk(vm: "v", directory: "/srv/x", hasRoom: false).shown.contains("/srv/x has no space left"))
    }
}
