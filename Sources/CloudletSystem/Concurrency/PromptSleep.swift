import CloudletCore
import Dispatch

/// Sleeps until the time is over or the task is cancelled, and does not wait for the common threads then, as `Task.sleep`
/// does, whose timers end on them: for what watches over a process whose common threads may all be at work. Returns on
/// the executor that the task prefers.
package func promptSleep(for duration: Duration) async {
    let gate = AsyncEvent()
    timers.asyncAfter(deadline: .now() + duration.seconds) { gate.set() }
    await gate.wait()
}

/// A queue of its own gets a thread of its own.
private let timers = DispatchQueue(label: "cloudlet-timers", qos: .userInitiated)
