import SwiftletFormats
public import SwiftletTensor

/// A comparison of cache policies as a page, as JSON and as a table of values with commas between.
public struct CompareReport: Sendable {
    /// The results.
    public let results: CompareResults
    let manifest: CompareManifest

    /// Names of the files.
    public static let fileNames = ["report.html", "report.json", "report.csv"]

    init(_ results: CompareResults, _ manifest: CompareManifest) {
        self.results = results
        self.manifest = manifest
    }

    /// Writes all files into a directory, each complete or not at all.
    ///
    /// - Throws: `.unwritable`.
    public func write(to directory: String) throws(SwiftletError) {
        for (name, text) in zip(Self.fileNames, [ComparePage(self).html, json, csv]) {
            try AtomicFile.write(Array(text.utf8), to: "\(directory)/\(name)")
        }
    }

    // MARK: JSON

    /// One object and a line end.
    public var json: String {
        var writer = JSONWriter(indent: 1)
        writer.object { writer in
            writer.key("manifest")
            manifest.write(to: &writer)
            writer.member("complete", results.isComplete)
            writer.member("done", results.done)
            writer.member("total", results.total)
            writer.key("entries")
            writer.array { writer in for entry in results.entries { Self.write(entry, to: &writer) } }
            writer.key("places")
            writer.array { writer in
                for place in results.sortedPlaces { write(place, to: &writer) }
            }
        }
        return writer.text + "\n"
    }

    private func write(_ place: CompareResults.Place, to writer: inout JSONWriter) {
        let scores = results.places[place] ?? []
        writer.object { writer in
            place.candidate.write(to: &writer)
            writer.member("mode", place.mode.rawValue)
            writer.member("task", place.task)
            writer.member("length", place.length)
            writer.member("depth", place.depth)
            writer.member("cases", scores.count)
            writer.member("score", scores.reduce(0, +) / Double(max(scores.count, 1)))
        }
    }

    private static func write(_ entry: CompareResults.Entry, to writer: inout JSONWriter) {
        writer.object { writer in
            entry.candidate.write(to: &writer)
            writer.key("refusal")
            if let refusal = entry.refusal { writer.value(refusal) } else { writer.null() }
            writer.member("refused_documents", entry.refusedCount)
            writer.key("quality")
            writer.object { writer in
                for quality in entry.qualities {
                    writer.key(quality.mode.rawValue)
                    write(quality, to: &writer)
                }
            }
            writer.key("cost")
            guard let cost = entry.cost else { return writer.null() }
            writer.object { writer in cost.write(to: &writer) }
        }
    }

    private static func write(_ quality: CompareResults.Quality, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("documents", quality.documentCount)
            writer.member("cases", quality.caseCount)
            write(quality.score, to: &writer)
            let differences = [
                ("over_full", quality.overFull), ("over_streaming", quality.overStreaming),
                ("over_random", quality.overRandom),
            ]
            for (name, difference) in differences {
                writer.key(name)
                guard let difference else {
                    writer.null()
                    continue
                }
                writer.object { writer in write(difference, to: &writer) }
            }
            writer.key("tasks")
            writer.array { writer in
                for task in quality.tasks {
                    writer.object { writer in
                        writer.member("task", task.task)
                        writer.member("cases", task.caseCount)
                        write(task.score, to: &writer)
                    }
                }
            }
        }
    }

    private static func write(_ interval: Bootstrap.Interval, to writer: inout JSONWriter) {
        writer.member("score", interval.value)
        writer.member("low", interval.low)
        writer.member("high", interval.high)
    }

    // MARK: CSV

    private static let columns = [
        "policy", "budget", "mode", "task", "documents", "cases", "score", "low", "high", "over_full",
        "over_full_low",
        "over_full_high", "over_streaming", "over_streaming_low", "over_streaming_high", "over_random",
        "over_random_low", "over_random_high", "prompt_tokens", "first_token_seconds", "tokens_per_second",
        "bytes_after_prompt", "held_bytes", "peak_bytes", "cache_bytes_per_token", "weight_bytes_per_token",
        "refusal",
    ]

    /// A line of names, then one per policy, bound, mode and task; the task `all` is the mean over all cases.
    ///
    /// Source: RFC 4180, with line feeds as line ends.
    public var csv: String {
        var lines = [Self.columns]
        for entry in results.entries {
            let name = [entry.candidate.policy, entry.candidate.budget ?? ""]
            let cost = Self.fields(entry.cost) + [entry.refusal ?? ""]
            if entry.qualities.isEmpty {
                lines.append(
                    name + [String](repeating: "", count: Self.columns.count - 2 - cost.count) + cost)
            }
            for quality in entry.qualities {
                lines.append(
                    name + [quality.mode.rawValue, "all", "\(quality.documentCount)", "\(quality.caseCount)"]
                        + Self.fields(quality.score) + Self.fields(quality.overFull)
                        + Self.fields(quality.overStreaming) + Self.fields(quality.overRandom) + cost)
                for task in quality.tasks {
                    lines.append(
                        name + [quality.mode.rawValue, task.task, "", "\(task.caseCount)"]
                            + Self.fields(task.score)
                            + [String](repeating: "", count: 9) + cost)
                }
            }
        }
        return lines.map { $0.map(Self.quoted).joined(separator: ",") + "\n" }.joined()
    }

    private static func fields(_ interval: Bootstrap.Interval?) -> [String] {
        guard let interval else { return ["", "", ""] }
        return [interval.value, interval.low, interval.high].map { "\($0)" }
    }

    private static func fields(_ cost: CompareCost?) -> [String] {
        guard let cost else { return [String](repeating: "", count: 8) }
        return [
            "\(cost.promptTokens)", "\(cost.firstTokenSeconds)", "\(cost.tokensPerSecond)",
            "\(cost.bytesAfterPrompt)",
            "\(cost.heldBytes)", "\(cost.peakBytes)", "\(cost.cacheBytesPerToken)",
            "\(cost.weightBytesPerToken)",
        ]
    }

    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return field }
        return "\"" + field.replacing("\"", with: "\"\"") + "\""
    }
}

extension CompareRun {
    /// A report of what is known now; usable before everything is done.
    ///
    /// - Throws: `.invalidArgument` if the environment asks for an instruction set that there is not.
    public func report() throws(SwiftletError) -> CompareReport {
        CompareReport(results(), try CompareManifest(self))
    }
}
