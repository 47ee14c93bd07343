// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Dispatch

/// Sleeps until the time is over or the task is cancelled, even if all threads of the common pool are busy.
/// `Task.sleep` would have to wait for such a thread. For tasks that check whether the process still works. Returns on
/// the task's preferred executor.
package func promptSleep(for duration: Duration) async {
    let isOver = AsyncEvent()
    timers.asyncAfter(deadline: .now() + duration.seconds) { isOver.set() }
    await isOver.wait()
}

/// A separate queue, which has a thread of its own.
private let timers = DispatchQueue(label: "cloudlet-timers", qos: .userInitiated)
