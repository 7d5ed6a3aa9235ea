import Foundation
import Metrics
import SwiftletEngine
import Synchronization

/// What a server counts, through swift-metrics, and what its scheduler reports.
final class ServerMetrics: Sendable {
    private struct HTTPKey: Hashable {
        let route: String
        let method: String
        let status: Int
    }

    /// When this program began, in seconds since 1970.
    static let processStart = Date().timeIntervalSince1970

    private let registry: PrometheusRegistry
    private let firstToken: Timer
    private let interToken: Timer
    private let request: Timer
    private let answers = Mutex<[HTTPKey: Counter]>([:])
    private let broken: Counter

    private static let seconds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
    ]

    init() {
        registry = PrometheusRegistry([
            "swiftlet_time_to_first_token_seconds": .init(
                help: "From the arrival of a request to the first token of an answer.", bounds: Self.seconds),
            "swiftlet_inter_token_latency_seconds": .init(
                help: "Between two tokens of an answer.", bounds: Self.seconds),
            "swiftlet_e2e_request_latency_seconds": .init(
                help: "From the arrival of a request for text to the end of its answers.",
                bounds: Self.seconds),
            "swiftlet_http_requests_total": .init(
                help: "Answered HTTP requests by route, method and status."),
            "swiftlet_clients_gone_total": .init(
                help: "Requests for text whose client went away before the end."),
        ])
        firstToken = Timer(label: "swiftlet_time_to_first_token_seconds", factory: registry)
        interToken = Timer(label: "swiftlet_inter_token_latency_seconds", factory: registry)
        request = Timer(label: "swiftlet_e2e_request_latency_seconds", factory: registry)
        broken = Counter(label: "swiftlet_clients_gone_total", factory: registry)
    }

    /// Counts an answer.
    ///
    /// - Parameter route: the path as the table of routes writes it, so that labels are few.
    func answered(route: String, method: String, status: Int) {
        let key = HTTPKey(route: route, method: method, status: status)
        let counter = answers.withLock { answers in
            if let counter = answers[key] { return counter }
            let counter = Counter(
                label: "swiftlet_http_requests_total",
                dimensions: [("method", method), ("route", route), ("status", String(status))],
                factory: registry)
            answers[key] = counter
            return counter
        }
        counter.increment()
    }

    func sawFirstToken(after seconds: Double) { firstToken.recordSeconds(seconds) }
    func sawToken(after seconds: Double) { interToken.recordSeconds(seconds) }
    func sawEnd(after seconds: Double) { request.recordSeconds(seconds) }
    func sawClientGo() { broken.increment() }

    // MARK: Text

    /// Everything in Prometheus' text format.
    func text(_ engine: Engine?) -> String {
        var text = PrometheusText()
        registry.write(to: &text)
        text.add(
            "process_start_time_seconds", "Start of this program, in seconds since 1970.", [],
            .gauge(Self.processStart))
        if let engine { Self.write(engine.scheduler.snapshot, to: &text) }
        return text.text
    }

    private static func write(_ s: SchedulerSnapshot, to text: inout PrometheusText) {
        func counter(_ name: String, _ value: some BinaryInteger, _ help: String) {
            text.add("swiftlet_\(name)", help, [], .counter(Double(value)))
        }
        func gauge(_ name: String, _ value: some BinaryInteger, _ help: String) {
            text.add("swiftlet_\(name)", help, [], .gauge(Double(value)))
        }
        gauge(
            "requests_running", s.runningRequests,
            "Requests whose prompt is read or whose answers are written.")
        gauge("requests_waiting", s.waitingRequests, "Requests in the queue.")
        gauge("choices_generating", s.generatingChoices, "Answers that are being written.")
        gauge("slots", s.slots.count, "Answers that can be written at the same time.")
        gauge("slots_busy", s.slots.count { $0.activity != .idle }, "Slots that are in use.")
        for (outcome, count) in [
            ("finished", s.finishedRequests), ("cancelled", s.cancelledRequests),
            ("failed", s.failedRequests),
            ("refused", s.refusedRequests),
        ] {
            text.add(
                "swiftlet_requests_total", "Requests for text by what became of them.",
                [("outcome", outcome)],
                .counter(Double(count)))
        }
        counter("requests_submitted_total", s.submittedRequests, "Requests for text that were taken.")
        counter("prompt_tokens_total", s.promptTokens, "Tokens of prompts that went through the model.")
        counter("prompt_tokens_cached_total", s.reusedTokens, "Tokens of prompts that were cached in memory.")
        counter(
            "prompt_tokens_restored_total", s.restoredTokens, "Tokens of prompts that were cached on disk.")
        counter("prefix_cache_queries_total", s.prefixLookups, "Prompts that were looked up among kept ones.")
        counter("prefix_cache_hits_total", s.prefixHits, "Prompts whose beginning was found.")
        counter("generation_tokens_total", s.generatedTokens, "Tokens that were written.")
        for (name, seconds, help) in [
            (
                "prompt_seconds_total", s.promptSeconds,
                "Time in which prompts were read, summed over requests."
            ),
            (
                "generation_seconds_total", s.generationSeconds,
                "Time in which answers were written, summed over them."
            ),
        ] {
            text.add("swiftlet_\(name)", help, [], .counter(seconds))
        }
        counter("steps_total", s.steps, "Trips through the model.")
        text.add("swiftlet_busy_seconds_total", "Time in steps.", [], .counter(s.busySeconds))
        gauge("kv_cache_limit_bytes", s.memoryBytes, "Most bytes that all caches may hold.")
        gauge("kv_cache_bytes", s.heldBytes, "Bytes that all caches hold, kept prompts included.")
        gauge("kv_cache_peak_bytes", s.peakBytes, "The most bytes that all caches ever held.")
        gauge("kv_cache_promised_bytes", s.promisedBytes, "Bytes promised to running requests, not held yet.")
        gauge("kv_cache_saved_bytes", s.savedBytes, "Bytes that policies save running answers.")
        let usage = s.memoryBytes > 0 ? Double(s.heldBytes) / Double(s.memoryBytes) : 0
        text.add("swiftlet_kv_cache_usage_ratio", "Share of the cache memory in use.", [], .gauge(usage))
        gauge("prompts_kept", s.keptPrompts, "Caches of prompts that are kept for others.")
        gauge("prompts_kept_bytes", s.keptBytes, "Bytes that they refer to.")
        policies(s, to: &text)
        writeLlamaNames(s, to: &text)
    }

    /// What dashboards for llama-server look for, under its names.
    private static func writeLlamaNames(_ s: SchedulerSnapshot, to text: inout PrometheusText) {
        func rate(_ count: Int, _ seconds: Double) -> Double { seconds > 0 ? Double(count) / seconds : 0 }
        let counters: [(String, Double, String)] = [
            ("prompt_tokens_total", Double(s.promptTokens), "Tokens of prompts that went through the model."),
            (
                "prompt_tokens_cached_total", Double(s.reusedTokens + s.restoredTokens),
                "Cached tokens of prompts."
            ),
            ("prompt_seconds_total", s.promptSeconds, "Time in which prompts were read."),
            ("tokens_predicted_total", Double(s.generatedTokens), "Tokens that were written."),
            ("tokens_predicted_seconds_total", s.generationSeconds, "Time in which answers were written."),
            ("n_decode_total", Double(s.steps), "Trips through the model."),
        ]
        let gauges: [(String, Double, String)] = [
            ("prompt_tokens_seconds", rate(s.promptTokens, s.promptSeconds), "Tokens of prompts per second."),
            (
                "predicted_tokens_seconds", rate(s.generatedTokens, s.generationSeconds),
                "Tokens of answers per second."
            ),
            ("requests_processing", Double(s.runningRequests), "Requests that run."),
            ("requests_deferred", Double(s.waitingRequests), "Requests that wait."),
            (
                "n_busy_slots_per_decode", s.steps > 0 ? Double(s.generatedTokens) / Double(s.steps) : 0,
                "Tokens of answers per trip through the model."
            ),
        ]
        for (name, value, help) in counters { text.add("llamacpp:\(name)", help, [], .counter(value)) }
        for (name, value, help) in gauges { text.add("llamacpp:\(name)", help, [], .gauge(value)) }
    }

    /// Clients name policies, so that only those that were used most are shown.
    private static let policyLimit = 64

    private static func policies(_ s: SchedulerSnapshot, to text: inout PrometheusText) {
        let uses = s.policies.sorted {
            let (a, b) = ($0.value.finishedRequests, $1.value.finishedRequests)
            return a == b ? $0.key < $1.key : a > b
        }.prefix(policyLimit)
        for (name, use) in uses {
            text.add(
                "swiftlet_policy_requests_total", "Requests that ended, by cache policy.", [("policy", name)],
                .counter(Double(use.finishedRequests)))
        }
        for (name, use) in uses {
            text.add(
                "swiftlet_policy_bytes", "Bytes that running answers hold, by cache policy.",
                [("policy", name)], .gauge(Double(use.heldBytes)))
        }
        for (name, use) in uses {
            text.add(
                "swiftlet_policy_saved_bytes", "Bytes that the policy saves running answers.",
                [("policy", name)], .gauge(Double(max(use.fullBytes - use.heldBytes, 0))))
        }
    }
}
