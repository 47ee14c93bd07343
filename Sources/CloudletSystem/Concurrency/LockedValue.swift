// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that can be changed while other tasks use it. Each use gets the value at that moment.
package final class LockedValue<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    /// Starts with `value`.
    package init(_ value: Value) { state = Mutex(value) }

    /// The current value.
    package var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
