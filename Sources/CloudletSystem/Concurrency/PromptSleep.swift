import CloudletCore
import Dispatch

/// Sleeps until the time is over or the task is cancelled. `Task.sleep` ends on the common threads, which may all be busy;
/// this one does not wait for them, for tasks that watch whether the process still works. Returns on the executor that the
/// task prefers.
package func promptSleep(for duration: Duration) async {
    let gate = AsyncEvent()
    timers.asyncAfter(deadline: .now() + duration.seconds) { gate.set() }
    await gate.wait()
}

/// A queue of its own gets a thread of its own.
private let timers = DispatchQueue(label: "cloudlet-timers", qos: .userInitiated)
