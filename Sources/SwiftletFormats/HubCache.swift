package import SwiftletTensor

/// The directory in which Hugging Face's libraries keep what they download.
///
/// A repository is a folder with `refs/<revision>`, files that hold a commit's name, and
/// `snapshots/<commit>`, directories that hold the files of a model.
package struct HubCache: Sendable {
    /// The directory.
    package let path: String

    /// A directory of this layout.
    package init(path: String) { self.path = path }

    /// The path that a variable of the environment holds, with `~` for the user's own directory.
    package static func directory(_ variable: String, in environment: [String: String]) -> String? {
        guard let value = environment[variable], !value.isEmpty else { return nil }
        guard value == "~" || value.hasPrefix("~/"), let home = environment["HOME"] else { return value }
        return home + value.dropFirst()
    }

    /// Where Hugging Face's libraries keep everything, the token included.
    package static func home(environment: [String: String]) -> String? {
        directory("HF_HOME", in: environment)
            ?? directory("XDG_CACHE_HOME", in: environment).map { $0 + "/huggingface" }
            ?? directory("HOME", in: environment).map { $0 + "/.cache/huggingface" }
    }

    /// Finds the directory the way `huggingface_hub` does.
    package init(environment: [String: String]) throws(SwiftletError) {
        guard
            let path = Self.directory("HF_HUB_CACHE", in: environment)
                ?? Self.directory("HUGGINGFACE_HUB_CACHE", in: environment)
                ?? Self.home(environment: environment).map({ $0 + "/hub" })
        else {
            throw SwiftletError(
                .missing,
                "none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set, so there is no model cache")
        }
        self.path = path
    }

    /// The directory that holds a model's files.
    func snapshot(of name: HubName, note: (String) -> Void) throws(SwiftletError) -> String {
        let repository = "\(path)/\(name.folder)"
        guard System.kind(of: repository) == .directory else {
            throw missing(name, "there is no file or directory of that name, and no \(repository)")
        }
        let revision = name.revision ?? "main"
        let commit = try commit(named: revision, in: repository) ?? revision
        let wanted = "\(repository)/snapshots/\(commit)"
        if System.kind(of: wanted) == .directory { return wanted }
        let available = snapshots(in: repository)
        guard name.revision == nil, let newest = available.first else {
            let others = available.isEmpty ? "nothing" : available.joined(separator: ", ")
            throw missing(name, "no \(wanted); the cache holds \(others)")
        }
        let choice = available.count == 1 ? "the only snapshot" : "the newest of \(available.count) snapshots"
        note("\(name.repository): no revision 'main' in the cache; using \(newest), \(choice)")
        return "\(repository)/snapshots/\(newest)"
    }

    /// What `refs/<revision>` says, or `nil` if it is not there.
    package func commit(named revision: String, in repository: String) throws(SwiftletError) -> String? {
        let reference = "\(repository)/refs/\(revision)"
        guard System.kind(of: reference) == .file else { return nil }
        let file = try MappedFile(path: reference)
        let text = withExtendedLifetime(file) { String(decoding: file.bytes.prefix(256), as: UTF8.self) }
        let commit = String(text.filter { !$0.isWhitespace })
        guard HubName.isName(commit[...]) else {
            throw SwiftletError(
                .malformed, "\(reference): does not hold the name of a commit; download the model again")
        }
        return commit
    }

    /// The names of all snapshots, newest first.
    private func snapshots(in repository: String) -> [String] {
        let directory = "\(repository)/snapshots"
        let names = (try? System.names(in: directory)) ?? []
        return names.filter { System.kind(of: "\(directory)/\($0)") == .directory }
            .map { (name: $0, time: System.modificationTime(of: "\(directory)/\($0)")) }
            .sorted { ($0.time, $0.name) > ($1.time, $1.name) }
            .map(\.name)
    }

    private func missing(_ name: HubName, _ finding: String) -> SwiftletError {
        SwiftletError(
            .missing, "\(name.repository): \(finding); get the model with `swiftlet pull \(name.text)`")
    }
}
