import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// What a client asks for besides the prompt, in the fields that all endpoints share.
struct GenerationFields: Sendable {
    var options: GenerationOptions
    var policy: KVPolicy
    var cacheFormat: KVFormat?
    var adapters: [AdapterUse]
    var choiceCount = 1
    /// The slot that has to do it.
    var slot: Int?
    var topLogprobs: Int?
    /// Whether log-probabilities are those with which tokens are drawn.
    var logprobsAreDrawn = false
    var cachesPrompt = true
    var isStream = false
    var includesUsage = false
    var showsTimings = false
    var showsProgress = false
    var showsCache = false
    var showsCacheView = false
    var isVerbose = false
    /// The model's name in the request; any is taken.
    var model: String?
    var pingSeconds: Int?

    /// Reads the fields.
    ///
    /// - Parameters:
    ///   - lengths: the fields with the most tokens to write; the first that is there counts.
    ///   - defaultLength: the most tokens if none is there.
    init(
        _ fields: inout RequestFields, _ engine: Engine, _ settings: ServerSettings,
        lengths: [String] = ["max_completion_tokens", "max_tokens", "n_predict"], defaultLength: Int? = nil
    ) throws(APIError) {
        options = engine.defaults
        pingSeconds = settings.pingSeconds
        isVerbose = try fields.bool("verbose") ?? settings.isVerbose
        model = try fields.string("model")
        policy = try Self.policy(&fields, engine, settings)
        cacheFormat = try Self.cacheFormat(&fields, engine.scheduler.options.cacheFormat)
        if let list = try fields.array("lora", maximum: 1_024) {
            adapters = try engine.adapters.uses(list, named: fields.path("lora"))
        } else {
            adapters = engine.adapters.uses
        }
        try readSampling(&fields)
        try SamplingStages.refuseMissing(&fields)
        try SamplingStages.readOrder(&fields, &options.sampling)
        try readLimits(&fields, engine, lengths: lengths, defaultLength: defaultLength ?? settings.maxTokens)
        try readStream(&fields)
        choiceCount = try fields.int("n", in: 1...settings.choiceLimit) ?? 1
        if let count = try fields.int("n_cmpl", in: 1...settings.choiceLimit) { choiceCount = count }
        try readSlot(&fields, slotCount: engine.scheduler.options.slotCount)
        options.logitBias = try LogitBias.read(&fields, engine)
        try Self.acceptHarmless(&fields)
        try ConstraintFields.read(&fields, into: &options, engine)
    }

    // MARK: Sampling

    private mutating func readSampling(_ fields: inout RequestFields) throws(APIError) {
        var sampling = options.sampling
        if let value = try fields.double("temperature", in: 0...1e9) { sampling.temperature = value }
        if let value = try fields.int("top_k", in: -1...Int(Int32.max)) { sampling.topK = max(value, 0) }
        if let value = try fields.double("top_p", in: 0...1) { sampling.topP = value }
        if let value = try fields.double("min_p", in: 0...1) { sampling.minP = value }
        for name in ["typical_p", "typ_p"] {
            if let value = try fields.double(name, in: 0...1) { sampling.typicalP = value }
        }
        for name in ["repeat_penalty", "repetition_penalty"] {
            guard let value = try fields.double(name, in: 0...1e6) else { continue }
            guard value > 0 else { throw .field(fields.path(name), "is 0, expected a number above 0") }
            sampling.repeatPenalty = value
        }
        if let value = try fields.double("presence_penalty", in: -1e6...1e6) {
            sampling.presencePenalty = value
        }
        if let value = try fields.double("frequency_penalty", in: -1e6...1e6) {
            sampling.frequencyPenalty = value
        }
        if let value = try fields.int("repeat_last_n", in: -1...Int(Int32.max)) {
            sampling.repeatLastN = value
        }
        if let value = try fields.int("seed", in: -1...Int.max) {
            sampling.seed = value < 0 ? nil : UInt64(value)
        }
        options.sampling = sampling
    }

    private mutating func readLimits(
        _ fields: inout RequestFields, _ engine: Engine, lengths: [String], defaultLength: Int?
    ) throws(APIError) {
        options.maxTokens = defaultLength
        for name in lengths.reversed() {
            guard let value = try fields.int(name, in: -1...(1 << 30)) else { continue }
            options.maxTokens = value < 0 ? nil : value
        }
        options.minTokens = try fields.int("min_tokens", in: 0...(1 << 30)) ?? 0
        if let most = options.maxTokens, options.minTokens > most {
            throw .field(
                fields.path("min_tokens"), "is \(options.minTokens), more than the \(most) tokens at most")
        }
        options.ignoresStopTokens = try fields.bool("ignore_eos") ?? options.ignoresStopTokens
        let stops = try fields.strings("stop", maximum: Self.stopLimit) ?? []
        guard stops.allSatisfy({ $0.utf8.count <= Self.stopByteLimit }) else {
            throw .field(fields.path("stop"), "has a text of more than \(Self.stopByteLimit) bytes")
        }
        options.stopStrings += stops.filter { !$0.isEmpty }
        for (index, id) in (try fields.array("stop_token_ids", maximum: 1_024) ?? []).enumerated() {
            guard let id = RequestFields.wholeNumber(id).flatMap({ TokenID(exactly: $0) }), id >= 0,
                Int(id) < engine.model.configuration.vocabularySize
            else {
                throw .field("\(fields.path("stop_token_ids"))[\(index)]", "is no token of this model")
            }
            options.stopTokens.insert(id)
        }
    }

    /// Most stop strings of a request, and most bytes of one.
    private static let (stopLimit, stopByteLimit) = (64, 4_096)

    /// As in llama-server, -1 is any slot.
    private mutating func readSlot(_ fields: inout RequestFields, slotCount: Int) throws(APIError) {
        for name in ["slot_id", "id_slot"] {
            guard let index = try fields.int(name, in: -1...slotCount - 1), index >= 0 else { continue }
            guard choiceCount == 1 else {
                throw .field(fields.path(name), "names one slot, but \(choiceCount) answers take one each")
            }
            slot = index
        }
    }

    // MARK: Stream

    private mutating func readStream(_ fields: inout RequestFields) throws(APIError) {
        isStream = try fields.bool("stream") ?? false
        if var stream = try fields.object("stream_options") {
            guard isStream else {
                throw .field(fields.path("stream_options"), "is only possible together with stream: true")
            }
            includesUsage = try stream.bool("include_usage") ?? false
            stream.accept(["include_obfuscation", "continuous_usage_stats"])
            try stream.finish()
        }
        showsTimings = try fields.bool("timings_per_token") ?? false
        showsProgress = try fields.bool("return_progress") ?? false
        showsCache = try fields.bool("return_kv_stats") ?? false
        showsCacheView = try fields.bool("return_kv_view") ?? false
        cachesPrompt = try fields.bool("cache_prompt") ?? true
        if let seconds = try fields.int("sse_ping_interval", in: -1...1_000_000) {
            pingSeconds = seconds > 0 ? seconds : nil
        }
    }

    // MARK: Cache

    private static func policy(
        _ fields: inout RequestFields, _ engine: Engine, _ settings: ServerSettings
    ) throws(APIError) -> KVPolicy {
        let name = try fields.string("kv_policy")
        let budget = try budget(&fields)
        if let name { try KVPolicyNames.check(name, own: settings.policy, field: fields.path("kv_policy")) }
        do {
            if let name { return try engine.model.policy(name, budget: budget) }
            if budget != nil { return try engine.model.policy(settings.policy, budget: budget) }
            return try engine.model.policy(settings.policy, budget: settings.budget)
        } catch {
            throw APIError(
                error, parameter: fields.path(name == nil && budget != nil ? "kv_budget" : "kv_policy"))
        }
    }

    /// A budget as text; a whole number means rows, a fraction below 1 a share.
    private static func budget(_ fields: inout RequestFields) throws(APIError) -> String? {
        guard let value = fields.value("kv_budget") else { return nil }
        if let text = value.string {
            guard text.utf8.count <= 64 else { throw .field(fields.path("kv_budget"), "is too long") }
            return text
        }
        if let rows = RequestFields.wholeNumber(value) { return String(rows) }
        if let share = value.double, share > 0, share < 1 { return "\(share * 100)%" }
        throw fields.wrong("kv_budget", value, "a text such as \"20%\", or a number of rows")
    }

    private static func cacheFormat(
        _ fields: inout RequestFields, _ fallback: KVFormat
    ) throws(APIError) -> KVFormat? {
        func format(_ name: String) throws(APIError) -> NumberFormat? {
            guard let text = try fields.string(name) else { return nil }
            guard let format = NumberFormat(rawValue: text.lowercased()), KVFormat.supported.contains(format)
            else {
                throw .field(fields.path(name), "is '\(text.prefix(40))', expected \(KVFormat.names)")
            }
            return format
        }
        let (key, value) = (try format("kv_type_k"), try format("kv_type_v"))
        guard key != nil || value != nil else { return nil }
        do {
            return try KVFormat(key: key ?? fallback.key, value: value ?? fallback.value)
        } catch {
            throw APIError(error, parameter: fields.path(key == nil ? "kv_type_v" : "kv_type_k"))
        }
    }

    // MARK: Fields without effect

    /// Well-known fields that change nothing here; the documentation lists them.
    private static func acceptHarmless(_ fields: inout RequestFields) throws(APIError) {
        fields.accept([
            "user", "metadata", "service_tier", "parallel_tool_calls", "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention", "backend_sampling", "n_keep", "n_discard", "n_cache_reuse",
            "speculative.n_max", "speculative.n_min", "speculative.p_min",
        ])
        if try fields.bool("store") == true { throw .refused(fields.path("store"), "answers are not kept") }
    }

    /// What the scheduler is asked.
    func request(id: String, prompt: [TokenID]) -> GenerationRequest {
        var request = GenerationRequest(id: id, prompt: prompt, options: options)
        request.policy = policy
        request.cacheFormat = cacheFormat
        request.adapters = adapters
        request.choiceCount = choiceCount
        request.slot = slot
        request.topLogprobs = topLogprobs
        request.logprobsAreDrawn = logprobsAreDrawn
        request.cachesPrompt = cachesPrompt
        request.tracesCache = showsCacheView
        return request
    }
}
