import SwiftletEngine
import SwiftletFormats
import SwiftletText

/// The JSON of answers to `/completion`.
struct NativeShape: Sendable {
    let engine: Engine
    let model: String
    let asked: GenerationFields
    let prompts: [Prompt]
    let returnsTokens: Bool
    /// The members that the client wants, paths with `/`; empty is all.
    let chosen: [String]

    /// One answer per prompt and choice.
    func whole(_ results: [GenerationResult]) -> [[UInt8]] {
        results.enumerated().flatMap { prompt, result in
            result.choices.indices.map { end(prompt, $0, result, isStream: false) }
        }
    }

    /// A token of a stream.
    func part(
        _ prompt: Int, _ token: GeneratedToken, _ result: GenerationResult,
        since start: ContinuousClock.Instant, _ json: inout JSONWriter
    ) {
        let count = result.choices.dropFirst(token.choice).first?.tokens.count ?? 0
        json.member("index", prompt * asked.choiceCount + token.choice)
        json.member("content", token.text)
        json.member("tokens", [token.id])
        json.member("stop", false)
        json.member("id_slot", result.slot(of: token.choice))
        json.member("tokens_predicted", count)
        json.member("tokens_evaluated", prompts[prompt].tokens.count)
        if asked.topLogprobs != nil {
            json.key("completion_probabilities")
            json.array { $0.logprob(token, engine.tokenizer, areDrawn: asked.logprobsAreDrawn) }
        }
        guard asked.showsTimings else { return }
        json.timings(Timings(result.progress, since: start, tokenCount: count, firstToken: result.firstToken))
    }

    /// The end of an answer; without a stream the whole answer.
    func end(
        _ prompt: Int, _ number: Int, _ result: GenerationResult, isStream: Bool
    ) -> [UInt8] {
        let choice = result.choices[number]
        var json = JSONWriter()
        json.object { json in
            json.member("index", prompt * asked.choiceCount + number)
            json.member("content", isStream ? choice.end?.text ?? "" : choice.text)
            json.member("tokens", returnsTokens && !isStream ? choice.tokens.map(\.id) : [])
            json.member("id_slot", result.slot(of: number))
            json.member("stop", true)
            json.member("model", model)
            json.member("tokens_predicted", choice.end?.statistics.generatedTokens ?? 0)
            json.member("tokens_evaluated", prompts[prompt].tokens.count)
            json.key("generation_settings")
            json.object { GenerationSettings(options: asked.options, engine: engine).write(to: &$0, asked) }
            json.member("prompt", prompts[prompt].text(engine))
            json.member("has_new_line", choice.text.utf8.contains(UInt8(ascii: "\n")))
            reason(choice, &json)
            json.member("tokens_cached", prompts[prompt].tokens.count + max(choice.tokens.count - 1, 0))
            if asked.topLogprobs != nil, !isStream {
                json.key("completion_probabilities")
                json.array { json in
                    for token in choice.tokens {
                        json.logprob(token, engine.tokenizer, areDrawn: asked.logprobsAreDrawn)
                    }
                }
            }
            if let end = choice.end {
                json.timings(Timings(end.statistics))
                if asked.showsCache { json.cacheStatistics(end) }
                if asked.showsCacheView, let view = end.view {
                    json.key("kv_view")
                    json.cacheView(view, fullBytes: end.fullCacheBytes)
                }
            }
        }
        return select(json.bytes)
    }

    private func reason(_ choice: GenerationResult.Choice, _ json: inout JSONWriter) {
        var (type, word, isTruncated) = ("none", "", false)
        switch choice.end?.reason {
        case .stopString(let text)?: (type, word) = ("word", text)
        case .length?: type = "limit"
        case .context?: (type, isTruncated) = ("limit", true)
        case .cancelled?, nil: break
        default: type = "eos"
        }
        json.member("truncated", isTruncated)
        json.member("stop_type", type)
        json.member("stopping_word", word)
    }

    /// Keeps the members that were asked for, those inside others under their whole path.
    private func select(_ answer: [UInt8]) -> [UInt8] {
        guard !chosen.isEmpty, let all = try? JSON.parse(answer, source: "the answer") else { return answer }
        var json = JSONWriter()
        json.object { json in
            for path in chosen {
                let steps = path.split(separator: "/").map(String.init)
                let value = steps.reduce(Optional(all)) { value, step in value?[step] }
                guard let value else { continue }
                json.key(path)
                json.value(value)
            }
        }
        return json.bytes
    }
}

/// What a generation is asked for, under llama-server's names.
struct GenerationSettings {
    let options: GenerationOptions
    let engine: Engine

    func write(to json: inout JSONWriter, _ asked: GenerationFields? = nil) {
        let sampling = options.sampling
        json.member("n_predict", options.maxTokens ?? -1)
        json.member("max_tokens", options.maxTokens ?? -1)
        json.member("min_tokens", options.minTokens)
        json.member("seed", sampling.seed ?? UInt64(UInt32.max))
        json.member("temperature", sampling.temperature)
        json.member("top_k", sampling.topK)
        json.member("top_p", sampling.topP)
        json.member("min_p", sampling.minP)
        json.member("typical_p", sampling.typicalP)
        json.member("repeat_last_n", sampling.repeatLastN)
        json.member("repeat_penalty", sampling.repeatPenalty)
        json.member("presence_penalty", sampling.presencePenalty)
        json.member("frequency_penalty", sampling.frequencyPenalty)
        for (name, value) in Self.missing { json.member(name, value) }
        json.member("stop", options.stopStrings)
        json.member("ignore_eos", options.ignoresStopTokens)
        json.key("logit_bias")
        json.array { json in biases(&json) }
        json.member("n_keep", 0)
        json.member("n_discard", 0)
        json.member("n_probs", asked?.topLogprobs ?? 0)
        json.member("min_keep", 0)
        json.member("stream", asked?.isStream ?? false)
        json.member("grammar", "")
        json.member("samplers", SamplingStages.order)
        json.member("timings_per_token", asked?.showsTimings ?? false)
        json.member("post_sampling_probs", asked?.logprobsAreDrawn ?? false)
        json.key("lora")
        json.array { json in
            for (id, use) in (asked?.adapters ?? []).enumerated() where use.scale != 0 {
                json.object { json in
                    json.member("id", id)
                    json.member("scale", Double(use.scale))
                }
            }
        }
        json.member("n_ctx", engine.scheduler.contextLength)
    }

    /// Stages that Swiftlet does not have, switched off.
    private static let missing: [(String, Double)] = [
        ("dynatemp_range", 0), ("dynatemp_exponent", 1), ("xtc_probability", 0), ("xtc_threshold", 0.1),
        ("top_n_sigma", -1), ("dry_multiplier", 0), ("dry_base", 1.75), ("dry_allowed_length", 2),
        ("dry_penalty_last_n", 0), ("mirostat", 0), ("mirostat_tau", 5), ("mirostat_eta", 0.1),
        ("adaptive_target", -1), ("adaptive_decay", 0.9),
    ]

    /// Biases; tokens that must not come have none.
    private func biases(_ json: inout JSONWriter) {
        var biases = options.logitBias
        if options.ignoresStopTokens { for token in options.stopTokens { biases[token] = -.infinity } }
        for (token, bias) in biases.sorted(by: { $0.key < $1.key }) {
            json.object { json in
                json.member("token", token)
                json.member("bias", bias)
            }
        }
    }
}
