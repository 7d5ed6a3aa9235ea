import Foundation
import SwiftletFormats
import Testing

/// Tests of the built command, one process at a time: each of them uses all cores.
@Suite(.serialized) enum CommandTests {}

/// What one run of the built command printed and how it ended.
struct CommandRun {
    let status: Int32
    let output: [UInt8]
    let errors: String

    /// Standard output as text.
    var text: String { String(decoding: output, as: UTF8.self) }

    /// Standard output as JSON.
    func json() throws -> JSON { try JSON.parse(output, source: "standard output") }

    /// Runs `swiftlet` and waits for it.
    ///
    /// - Parameter input: standard input; empty by default.
    init(_ arguments: [String], input: [UInt8] = []) async throws {
        let command = try CommandProcess(arguments, input: input)
        self = try await command.wait()
    }

    init(status: Int32, output: [UInt8], errors: String) {
        (self.status, self.output, self.errors) = (status, output, errors)
    }
}

/// A running command; its streams are files, so that no pipe can fill up.
struct CommandProcess {
    let process = Process()
    private let directory: URL
    private let ends: AsyncStream<Void>

    /// Runs a script of the shell, whose `$0` is `swiftlet`, and waits for it.
    static func shell(_ script: String, _ arguments: [String]) async throws -> CommandRun {
        let command = try CommandProcess(
            ["-c", script, executable.path] + arguments, executable: URL(filePath: "/bin/sh"))
        return try await command.wait()
    }

    init(
        _ arguments: [String], input: [UInt8] = [], outputPath: String? = nil, executable: URL? = nil
    ) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Data(input).write(to: directory.appending(path: "in"))
        for name in ["out", "err"] { try Data().write(to: directory.appending(path: name)) }
        let output = outputPath.map { URL(filePath: $0) } ?? directory.appending(path: "out")
        process.executableURL = executable ?? Self.executable
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: directory.appending(path: "in"))
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: directory.appending(path: "err"))
        var environment = ProcessInfo.processInfo.environment
        environment["COLUMNS"] = "80"
        environment["HF_HUB_CACHE"] = directory.path
        process.environment = environment
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        self.ends = ends
        process.terminationHandler = { _ in end.finish() }
        try process.run()
    }

    /// Bytes written to standard output so far.
    var outputCount: Int { (try? Data(contentsOf: directory.appending(path: "out")).count) ?? 0 }

    /// Waits for the end and removes the files; a command that takes longer than a minute is ended.
    func wait() async throws -> CommandRun {
        let number = process.processIdentifier
        let watchdog = Task {
            try await Task.sleep(for: .seconds(60))
            kill(number, SIGKILL)
        }
        for await _ in ends {}
        watchdog.cancel()
        defer { try? FileManager.default.removeItem(at: directory) }
        return CommandRun(
            status: process.terminationStatus,
            output: Array(try Data(contentsOf: directory.appending(path: "out"))),
            errors: String(decoding: try Data(contentsOf: directory.appending(path: "err")), as: UTF8.self))
    }

    /// The command lies beside the tests in the folder of built products.
    private static var executable: URL {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
        let folder =
            bundle.bundlePath.hasSuffix(".xctest")
            ? bundle.bundleURL.deletingLastPathComponent()
            : Bundle.main.executableURL?.deletingLastPathComponent() ?? bundle.bundleURL
        return folder.appending(path: "swiftlet")
    }
}

extension JSON {
    /// The elements of an array.
    var list: [JSON] { Array(elements) }
}

/// Paths of the fixtures that other tests own.
enum Fixture {
    private static let tests = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()

    /// A tiny model with a tokenizer and a context of 64 tokens.
    static let gguf = tests.appending(path: "SwiftletModelsTests/Fixtures/gguf/llama-q8_0.gguf").path
    /// A directory without a tokenizer, vocabulary 128.
    static let directory = tests.appending(path: "SwiftletModelsTests/Fixtures/llama-gqa").path
    /// A directory with nothing but a tokenizer.
    static let tokenizer = tests.appending(path: "SwiftletTextTests/Fixtures/tokens/gpt2").path
}

/// Compares with `Goldens/<name>`; with `SWIFTLET_RECORD=1` it rewrites the file and fails.
func expectGolden(_ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/\(name)")
    if ProcessInfo.processInfo.environment["SWIFTLET_RECORD"] == "1" {
        try Data(text.utf8).write(to: file)
        Issue.record("recorded \(name)", sourceLocation: sourceLocation)
    } else {
        #expect(try String(contentsOf: file, encoding: .utf8) == text, sourceLocation: sourceLocation)
    }
}
