// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding

/// When a search asks what.
@Suite struct FinderTimetableTests {
    private let start = ContinuousClock.now

    /// When each question is asked in the first `seconds`, in milliseconds from the start.
    private func times(_ question: FinderTimetable.Question, isEndless: Bool, seconds: Int) -> [Int] {
        var timetable = FinderTimetable(start: start, isEndless: isEndless)
        var times: [Int] = []
        while timetable.next - start <= .seconds(seconds) {
            let now = timetable.next
            for asked in timetable.takeDue(at: now) where asked == question {
                times.append(Int((now - start) / .milliseconds(1)))
            }
        }
        return times
    }

    @Test("a search asks at once, and goes on in growing intervals for a node that starts or was not heard")
    func bounded() {
        let cloudlets = FinderTimetable.Question.ssdp(UPnPDevice.deviceType)
        #expect(times(cloudlets, isEndless: false, seconds: 3) == [0, 250, 600, 2600])
        let long = times(cloudlets, isEndless: false, seconds: 200)
        #expect(long.prefix(7) == [0, 250, 600, 2600, 6600, 14600, 30600])
        #expect(zip(long, long.dropFirst()).allSatisfy { $1 - $0 <= 24_000 })
        #expect(times(.mdns, isEndless: false, seconds: 8) == [0, 1000, 3000, 7000])
        #expect(times(.ssdp("upnp:rootdevice"), isEndless: false, seconds: 200) == [600])
    }

    @Test("while watching it asks in long intervals, and others never")
    func endless() {
        let cloudlets = FinderTimetable.Question.ssdp(UPnPDevice.deviceType)
        #expect(times(cloudlets, isEndless: true, seconds: 300) == [0, 250, 600, 120_600, 240_600])
        #expect(times(.ssdp("upnp:rootdevice"), isEndless: true, seconds: 300).isEmpty)
    }

    @Test("a search has been through when it asked three times")
    func through() {
        var timetable = FinderTimetable(start: start, isEndless: false)
        for (milliseconds, isThrough) in [(0, false), (250, false), (600, true), (2600, true)] {
            _ = timetable.takeDue(at: start + .milliseconds(milliseconds))
            #expect(timetable.isThrough == isThrough, "\(milliseconds)")
        }
    }
}
