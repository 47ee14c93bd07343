import Foundation

extension Date {
    /// The current time in seconds since 1970.
    static var secondsNow: Int { Int(Date().timeIntervalSince1970) }
}
