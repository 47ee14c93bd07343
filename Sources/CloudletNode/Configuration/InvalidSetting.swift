/// Why a text is not a value of a setting.
package struct InvalidSetting: Error {
    /// The text, or the element of a list that is wrong.
    let text: String
    /// The reason, where it does not follow from what is expected.
    var reason: String?
}
