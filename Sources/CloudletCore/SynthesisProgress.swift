// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// What is reported while a VM is synthesized: the same events from the synthesizer to metrics, session and client.
package enum SynthesisProgress: Sendable, Hashable {
    /// The synthesis waits for room; position 1 is the next.
    case waiting(position: Int)
    /// So many more bytes of the overlay were received. Each byte is reported once.
    case received(bytes: Int)
    /// The VM is being resumed or booted.
    case resuming
}
