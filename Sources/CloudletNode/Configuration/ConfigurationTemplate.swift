// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// A configuration file in which every setting is commented out, with its meaning, its accepted values and its default.
/// It is derived from the declarations of the settings, and has no effect until something in it is changed.
package enum ConfigurationTemplate {
    /// The file's text.
    package static var text: String {
        var blocks = [heading]
        var group: Substring = ""
        for setting in NodeSettings.all {
            let parts = setting.key.split(separator: ".", maxSplits: 1)
            guard parts.count == 2 else {
                blocks.append(entry(setting, parts[0], indent: ""))
                continue
            }
            if parts[0] != group {
                group = parts[0]
                blocks.append("\(group):")
            }
            blocks.append(entry(setting, parts[1], indent: "  "))
        }
        return blocks.joined(separator: "\n\n") + "\n"
    }

    private static let heading = """
        # Settings of cloudlet-node; see cloudlet.yaml(5). Each setting is shown with its default value. To change one,
        # remove the '#' before its name and replace the value.
        #
        # Settings marked 'reloadable' apply after: systemctl reload cloudlet-node
        # The others apply after:                   systemctl restart cloudlet-node
        # The values in use, and their sources:     sudo -u cloudlet cloudlet config --origin
        """

    private static func entry(_ setting: any AnySetting, _ name: Substring, indent: String) -> String {
        var comments = ["\(setting.help.prefix(1).uppercased())\(setting.help.dropFirst())."]
        comments.append("Value: \(setting.expected)" + (setting.isReloadable ? " (reloadable)" : ""))
        let lines = comments.map { "\(indent)# \($0)" }
        return (lines + ["\(indent)#\(name): \(value(of: setting))"]).joined(separator: "\n")
    }

    /// The default as a YAML value. All defaults are plain words and numbers, or empty.
    private static func value(of setting: any AnySetting) -> String {
        guard setting.defaultText.isEmpty else { return setting.defaultText }
        return setting.isList ? "[]" : "\"\""
    }
}
