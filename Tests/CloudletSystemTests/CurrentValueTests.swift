// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Testing

/// A value with readers that come and go.
@Suite(.timeLimit(.minutes(1))) struct CurrentValueTests {
    @Test("a reader sees the value of its start and then the newest one, none twice")
    func newest() async {
        let number = CurrentValue(1)
        var reader = number.values().makeAsyncIterator()
        #expect(await reader.next() == 1)
        #expect(!number.set(1))
        number.set(2)
        number.set(3)
        #expect(await reader.next() == 3)
        var other = number.values().makeAsyncIterator()
        #expect(await other.next() == 3)
        #expect(number.update { $0 += 1 })
        #expect(await reader.next() == 4)
        #expect(await other.next() == 4)
    }

    @Test("a reader may be cancelled while the value changes")
    func cancelledReader() async {
        let number = CurrentValue(0)
        for round in 1...5000 {
            let reader = Task { for await value in number.values() where value < 0 {} }
            async let change: Void = { @concurrent () async in _ = number.set(round) }()
            await Task.yield()
            reader.cancel()
            await change
            await reader.value
        }
        #expect(number.value == 5000)
    }
}
