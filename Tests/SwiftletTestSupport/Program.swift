import Foundation

/// Programs of the machine that tests use if they are there.
public enum Program {
    /// The path of the first program, in the order of the names, that the search path has.
    public static func find(_ names: String...) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        for name in names {
            for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
                return "\(folder)/\(name)"
            }
        }
        return nil
    }
}
