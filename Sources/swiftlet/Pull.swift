import ArgumentParser
import Foundation
import SwiftletHub
import SwiftletTensor
import Synchronization

struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Download a model into the hub cache.",
        discussion: """
            Takes what Swiftlet opens: configuration, tokenizer, chat templates and safetensors; of a repository of \
            GGUF files, the one of the format that is named, else Q4_K_M, Q8_0 or the first. Every file is checked \
            against its hash. What was interrupted goes on where it was. The cache is the one that Hugging Face's \
            libraries use. The path of the model goes to standard output.

              swiftlet pull HuggingFaceTB/SmolLM2-135M-Instruct
              swiftlet pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0
              swiftlet pull org/name@refs/pr/1
              swiftlet run -m HuggingFaceTB/SmolLM2-135M-Instruct "Hello"

            Environment: HF_TOKEN for private and gated models, HF_ENDPOINT for a mirror, HF_HUB_CACHE or HF_HOME for \
            the place, HF_HUB_OFFLINE to download nothing.
            """)

    @Argument(help: "org/name, org/name@revision, org/name:Q4_K_M or org/name:file.") var model: String

    @Option(help: ArgumentHelp("Branch, tag or commit; default: main.", valueName: "name")) var revision:
        String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Files at the same time, 1 to 32; default: 4.", valueName: "count"),
        transform: FlagValues.integer)
    var jobs: Int?

    @Flag(help: "Download what is there, too.") var force = false

    @Flag(name: .customLong("json"), help: "Print one JSON object instead of the path.") var isJSON = false

    func validate() throws {
        if let jobs, !(1...32).contains(jobs) {
            throw ValidationError("--jobs is \(jobs); expected 1 to 32.")
        }
    }

    func run() throws {
        let settings = try HubSettings(environment: ProcessInfo.processInfo.environment)
        var prepared = try HubPull(model, revision: revision, settings: settings)
        prepared.force = force
        prepared.concurrency = jobs ?? prepared.concurrency
        let pull = prepared
        let display = DownloadDisplay(label: "Downloading \(model)")
        Interrupt.listen()
        defer { display.finish() }
        let report = try Blocking.run {
            try await pull.run(note: { display.note($0) }) { progress in
                display.update(progress)
                return !Interrupt.isRequested
            }
        }
        display.finish()
        guard let report else {
            Console.note("swiftlet: stopped by Ctrl-C; the same command goes on where it was")
            throw ExitCode(130)
        }
        if report.files.contains(where: { !$0.isVerified }) {
            Console.note("swiftlet: the server gives no hashes, so only sizes were checked")
        }
        Console.note("swiftlet: \(summary(report))")
        try Console.write(isJSON ? report.json + "\n" : report.path + "\n")
    }

    private func summary(_ report: HubPullReport) -> String {
        let files = report.files.count == 1 ? "1 file" : "\(report.files.count) files"
        guard report.downloadedBytes > 0 else {
            return "\(report.model): all of it is there (\(files), \(formatBytes(report.byteCount)))"
        }
        let rate = Int(Double(report.downloadedBytes) / max(report.seconds, 1e-3))
        return "\(report.model): \(files), \(formatBytes(report.byteCount)); downloaded "
            + "\(formatBytes(report.downloadedBytes)) at \(formatBytes(rate))/s; use it with -m \(report.model)"
    }
}

/// A progress bar that other threads move.
private final class DownloadDisplay: Sendable {
    private let label: String
    private let bar = Mutex<(bar: ProgressBar?, total: Int)>((nil, 0))

    init(label: String) { self.label = label }

    func update(_ progress: HubProgress) {
        bar.withLock { state in
            // Sizes become known little by little.
            if progress.totalBytes != state.total || state.bar == nil {
                let start = state.bar
                state = (ProgressBar(label, total: progress.totalBytes, since: start), progress.totalBytes)
            }
            state.bar?.update(progress.doneBytes)
        }
    }

    func note(_ sentence: String) {
        bar.withLock { $0.bar?.finish() }
        Console.note("swiftlet: \(sentence)")
    }

    func finish() { bar.withLock { $0.bar?.finish() } }
}
