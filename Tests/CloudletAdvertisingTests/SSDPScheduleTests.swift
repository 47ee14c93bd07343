// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@testable import CloudletAdvertising
@testable import CloudletDiscovery

@Suite struct SSDPScheduleTests {
    private let start = ContinuousClock.now

    /// What a schedule sends in `seconds`, with the seconds from the start.
    private func play(
        _ schedule: inout SSDPSchedule, for seconds: Double
    ) -> [(kind: SSDPAnnouncement.Kind, time: Double)] {
        var sent: [(kind: SSDPAnnouncement.Kind, time: Double)] = []
        while let next = schedule.next, next <= start + .seconds(seconds) {
            sent += schedule.takeDue(at: next).map { ($0, (next - start).seconds) }
        }
        return sent
    }

    @Test("a start: random wait, goodbye, announcement, the same again (A04, A05, A13)")
    func begin() {
        var waits: [Double] = []
        for _ in 0..<100 {
            var schedule = SSDPSchedule(maximumAge: 1800)
            schedule.start(at: start)
            let sent = play(&schedule, for: 5)
            #expect(sent.map(\.kind) == [.byebye, .alive, .alive])
            let times = sent.map(\.time)
            #expect(times[0] <= 0.1 && abs(times[1] - times[0] - 0.1) < 0.001)
            #expect((0.2...0.3001).contains(times[2] - times[1]))
            waits.append(times[0])
        }
        #expect((waits.min() ?? 1) < 0.02 && (waits.max() ?? 0) > 0.08)
    }

    @Test("announcements are repeated before half their life is over, at random times (A07)")
    func refresh() {
        var gaps: Set<Int> = []
        for _ in 0..<20 {
            var schedule = SSDPSchedule(maximumAge: 1800)
            schedule.start(at: start)
            let sent = play(&schedule, for: 36_000).dropFirst()
            // Pairs of one announcement each.
            let times = stride(from: sent.startIndex, to: sent.endIndex - 1, by: 2).map { sent[$0].time }
            for (earlier, later) in zip(times, times.dropFirst()) {
                #expect((440...900).contains(later - earlier))
                gaps.insert(Int(later - earlier))
            }
            #expect(times.count > 36_000 / 900)
        }
        #expect(gaps.count > 100)
    }

    @Test("many changes leave one announcement planned (A08)")
    func changes() {
        var schedule = SSDPSchedule(maximumAge: 1800)
        schedule.start(at: start)
        for _ in 0..<10 { schedule.announce(at: start) }
        #expect(play(&schedule, for: 60).map(\.kind) == [.alive, .alive])
    }
}
