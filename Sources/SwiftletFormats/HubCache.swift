import SwiftletTensor

/// The name of a model on the Hugging Face hub: `organisation/name`, `name`, and perhaps `@revision`.
struct HubName {
    let repository: String
    let revision: String?

    /// Reads a name, or returns `nil` for what can only be a path.
    init?(_ argument: String) {
        let parts = argument.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let names = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard names.count <= 2, names.allSatisfy(Self.isName), !parts[0].contains("--") else { return nil }
        repository = String(parts[0])
        revision = parts.count > 1 ? String(parts[1]) : nil
        if let revision {
            let steps = revision.split(separator: "/", omittingEmptySubsequences: false)
            guard steps.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.utf8.contains(0) }) else {
                return nil
            }
        }
    }

    /// The name of the repository's folder in the cache.
    var folder: String { "models--" + repository.split(separator: "/").joined(separator: "--") }

    /// Whether this can be the name of one file that is neither hidden nor outside its directory.
    static func isName(_ name: Substring) -> Bool {
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
}

/// The directory in which Hugging Face's libraries keep what they download.
///
/// A repository is a folder with `refs/<revision>`, files that hold a commit's name, and
/// `snapshots/<commit>`, directories that hold the files of a model.
struct HubCache {
    let path: String

    /// Finds the directory the way `huggingface_hub` does.
    init(environment: [String: String]) throws(SwiftletError) {
        func directory(_ variable: String, _ rest: String) -> String? {
            guard let value = environment[variable], !value.isEmpty else { return nil }
            guard value == "~" || value.hasPrefix("~/"), let home = environment["HOME"] else {
                return value + rest
            }
            return home + value.dropFirst() + rest
        }
        guard
            let path = directory("HF_HUB_CACHE", "") ?? directory("HUGGINGFACE_HUB_CACHE", "")
                ?? directory("HF_HOME", "/hub") ?? directory("XDG_CACHE_HOME", "/huggingface/hub")
                ?? directory("HOME", "/.cache/huggingface/hub")
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
    private func commit(named revision: String, in repository: String) throws(SwiftletError) -> String? {
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
        let revision = name.revision.map { " --revision \($0)" } ?? ""
        return SwiftletError(
            .missing,
            "\(name.repository): \(finding); get the model with `huggingface-cli download "
                + "\(name.repository)\(revision)`"
        )
    }
}
