// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct CloudletErrorTests {
    @Test("the chain of causes is printed once, the advice last")
    func chain() {
        let inner = CloudletError(.io, "disk full", advice: "free some space")
        let outer = CloudletError(.cannotCreate, "can't write the overlay", cause: inner)
        #expect(outer.description == "can't write the overlay: disk full; free some space")
    }

    @Test("an error shows its own advice, or else that of the innermost cause that has some")
    func advice() {
        let inner = CloudletError(.io, "disk full", advice: "free some space")
        let middle = CloudletError(.io, "can't write", advice: "try again", cause: inner)
        #expect(CloudletError(.io, "can't save", cause: middle).firstAdvice == "free some space")
        #expect(
            CloudletError(.io, "can't save", advice: "use another disk", cause: middle).firstAdvice
                == "use another disk")
        #expect(middle.during("saving").description == "saving: can't write: disk full; try again")
    }

    @Test("every code has an exit status and an HTTP status, and a name of its own")
    func codes() {
        #expect(Set(CloudletError.Code.all.map(\.description)).count == CloudletError.Code.all.count)
        #expect(CloudletError.Code.noNode.exitStatus == 2)
        #expect(CloudletError.Code.noNetwork.exitStatus == 3)
        #expect(CloudletError.Code.all.allSatisfy { $0.exitStatus != 0 && $0.httpStatus >= 400 })
    }

    @Test("wrapping keeps an error that is a CloudletError already")
    func wrapping() {
        struct Other: Error {}
        let original = CloudletError(.busy, "taken")
        #expect(CloudletError.wrapping(original, .io, "other").code == .busy)
        #expect(CloudletError.wrapping(Other(), .io, "other").code == .io)
    }
}
