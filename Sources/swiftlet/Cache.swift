import ArgumentParser
import Foundation
import SwiftletFormats
import SwiftletHub
import SwiftletTensor

struct Cache: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show and remove downloaded models.", subcommands: [CacheList.self, CacheRemove.self])
}

struct CacheList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the models in the hub cache.",
        discussion: """
            Sizes are those on disk: what several commits share counts once in a model.

              swiftlet cache list
              swiftlet cache list --files
              swiftlet cache list --json
            """,
        aliases: ["ls"])

    @Flag(help: "List the files, too.") var files = false

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    func run() throws {
        let settings = try HubSettings(environment: ProcessInfo.processInfo.environment)
        let inventory = try HubInventory(path: settings.cachePath)
        if isJSON {
            try Console.write(json(inventory))
        } else if inventory.repositories.isEmpty {
            Console.note("swiftlet: no models in \(inventory.path); `swiftlet pull org/name` gets one")
        } else {
            try Console.write(table(inventory))
        }
    }

    private func table(_ inventory: HubInventory) -> String {
        let rows = inventory.repositories.flatMap { repository in
            repository.revisions.map { (repository, $0) }
        }
        let width = max(inventory.repositories.map(\.name.count).max() ?? 0, 5)
        let now = Int(Date().timeIntervalSince1970)
        var lines = [
            "\(pad("model", width))  \(pad("commit", 8))  \(pad("size", 10))  \(pad("files", 5))  \(pad("used", 14))  revisions"
        ]
        for (repository, revision) in rows {
            lines.append(
                "\(pad(repository.name, width))  \(pad(String(revision.commit.prefix(8)), 8))  "
                    + "\(pad(formatBytes(revision.byteCount), 10))  \(pad("\(revision.files.count)", 5))  "
                    + "\(pad(age(now - revision.lastUse), 14))  \(revision.references.joined(separator: ", "))"
            )
            if files {
                for file in revision.files {
                    lines.append("  \(pad(formatBytes(file.byteCount), 10))  \(file.path)")
                }
            }
        }
        for repository in inventory.repositories
        where repository.revisions.isEmpty || repository.looseBytes > 0 {
            lines.append(
                "\(pad(repository.name, width))  \(pad("-", 8))  \(pad(formatBytes(repository.looseBytes), 10))  unfinished"
            )
        }
        lines.append("\(formatBytes(inventory.byteCount)) in \(inventory.path)")
        return lines.joined(separator: "\n") + "\n"
    }

    private func age(_ seconds: Int) -> String {
        switch seconds {
        case ..<60: "now"
        case ..<172_800: "\(formatDuration(seconds: seconds)) ago"
        default: "\(seconds / 86_400) days ago"
        }
    }

    private func json(_ inventory: HubInventory) -> String {
        var writer = JSONWriter(indent: 2)
        writer.object { json in
            json.member("path", inventory.path)
            json.member("bytes", inventory.byteCount)
            json.key("repositories")
            json.array { json in
                for repository in inventory.repositories { json.object { write(repository, to: &$0) } }
            }
        }
        return writer.text + "\n"
    }

    private func write(_ repository: HubInventory.Repository, to json: inout JSONWriter) {
        json.member("name", repository.name)
        json.member("path", repository.path)
        json.member("bytes", repository.byteCount)
        json.member("unfinished_bytes", repository.looseBytes)
        json.member("last_use", repository.lastUse)
        json.key("revisions")
        json.array { json in
            for revision in repository.revisions {
                json.object { json in
                    json.member("commit", revision.commit)
                    json.key("references")
                    json.array { json in for name in revision.references { json.value(name) } }
                    json.member("bytes", revision.byteCount)
                    json.member("last_use", revision.lastUse)
                    json.key("files")
                    json.array { json in
                        for file in revision.files {
                            json.object { json in
                                json.member("path", file.path)
                                json.member("bytes", file.byteCount)
                                json.key("blob")
                                if let blob = file.blob { json.value(blob) } else { json.null() }
                            }
                        }
                    }
                }
            }
        }
    }
}

struct CacheRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Remove a model, or one commit of it, from the hub cache.",
        discussion: """
            Contents that another commit of the model needs stay.

              swiftlet cache rm org/name
              swiftlet cache rm org/name@main --dry-run
              swiftlet cache rm org/name@1a2b3c4d --yes
            """)

    @Argument(help: "org/name, or org/name@revision: a branch, a tag or the beginning of a commit.")
    var model: String

    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    @Flag(name: .customLong("dry-run"), help: "Say what would be removed, and remove nothing.") var isDryRun =
        false

    func run() throws {
        let settings = try HubSettings(environment: ProcessInfo.processInfo.environment)
        let removal = try HubRemoval(model, in: try HubInventory(path: settings.cachePath))
        let subject = describe(removal)
        if isDryRun {
            try Console.write("would remove \(subject)\n")
            return
        }
        guard try yes || isConfirmed(subject) else {
            Console.note("swiftlet: nothing was removed")
            return
        }
        try removal.perform()
        try Console.write("removed \(subject)\n")
    }

    private func describe(_ removal: HubRemoval) -> String {
        let commits = removal.commits.map { String($0.prefix(8)) }.joined(separator: ", ")
        let names = removal.references.isEmpty ? "" : " (\(removal.references.joined(separator: ", ")))"
        let what = removal.isWhole ? removal.repository : "\(removal.repository) at \(commits)\(names)"
        return "\(what): \(formatBytes(removal.byteCount))"
    }

    private func isConfirmed(_ subject: String) throws(SwiftletError) -> Bool {
        guard Console.isTyped else {
            throw SwiftletError(
                .invalidArgument, "nobody can be asked whether to remove \(subject); add --yes")
        }
        Console.draw("remove \(subject)? [y/N] ")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}
