import SwiftletTensor

/// The name of a model on the Hugging Face hub: `organisation/name` or `name`, perhaps with `@revision`, perhaps
/// with `:` and a file or the number format of one, such as `org/name:Q4_K_M`.
package struct HubName: Hashable, Sendable {
    /// `organisation/name`, or `name` alone.
    package let repository: String
    /// A branch, a tag or a commit; `nil` is `main`.
    package let revision: String?
    /// Which file of the repository; `nil` leaves the choice.
    package let selector: String?

    /// Reads a name, or returns `nil` for what can only be a path.
    package init?(_ argument: String) {
        let halves = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let names = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard names.count <= 2, names.allSatisfy(Self.isName), !parts[0].contains("--") else { return nil }
        repository = String(parts[0])
        revision = parts.count > 1 ? String(parts[1]) : nil
        selector = halves.count > 1 ? String(halves[1]) : nil
        if let revision, !Self.isRelativePath(revision) { return nil }
        if let selector, !Self.isRelativePath(selector) { return nil }
    }

    /// The same repository in another revision.
    package init?(_ argument: String, revision: String) {
        guard let name = HubName(argument), name.revision == nil,
            let full = HubName("\(name.repository)@\(revision)"), full.selector == nil
        else { return nil }
        repository = name.repository
        self.revision = revision
        selector = name.selector
    }

    /// The name of the repository's folder in the cache.
    package var folder: String { "models--" + repository.split(separator: "/").joined(separator: "--") }

    /// The name as it is written in arguments.
    package var text: String {
        repository + (revision.map { "@" + $0 } ?? "") + (selector.map { ":" + $0 } ?? "")
    }

    /// Whether this can be the name of one file that is neither hidden nor outside its directory.
    package static func isName(_ name: Substring) -> Bool {
        let isAllowed = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        return !name.isEmpty && !name.hasPrefix(".") && name.utf8.allSatisfy(isAllowed)
    }

    /// Whether a path stays below the directory that it is meant for, on every system.
    package static func isRelativePath(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { step in
            !step.isEmpty && step != "." && step != ".." && step.utf8.count < 256
                && step.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }
        }
    }
}
