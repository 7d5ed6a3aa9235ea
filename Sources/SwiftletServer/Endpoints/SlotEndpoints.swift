import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

/// `/slots` in llama-server's shape, and Swiftlet's view of a running cache.
struct SlotEndpoints: Sendable {
    let context: ServerContext

    /// `GET /slots`.
    func list(_ request: ServerRequest) throws(APIError) -> Answer {
        guard context.settings.showsSlots else {
            throw APIError(.notSupported, "slots are not shown; start the server without --no-slots")
        }
        let engine = try context.host.engine()
        let slots = engine.scheduler.snapshot.slots
        if request.query["fail_on_no_slot"] == "1", slots.allSatisfy({ $0.activity != .idle }) {
            throw APIError(.unavailable, "no slot available")
        }
        var json = JSONWriter()
        json.array { json in for slot in slots { write(slot, engine, &json) } }
        return .json(json.bytes)
    }

    private func write(_ slot: SlotState, _ engine: Engine, _ json: inout JSONWriter) {
        let isBusy = slot.activity != .idle
        json.object { json in
            json.member("id", slot.index)
            json.member("n_ctx", engine.scheduler.contextLength)
            json.member("speculative", false)
            json.member("is_processing", isBusy)
            json.member("state", slot.activity.rawValue)
            json.member("request", optional: isBusy ? slot.request : nil)
            json.member("choice", slot.choice)
            json.member("kv_policy", optional: isBusy ? slot.policy : nil)
            json.member("kv_bytes", slot.heldBytes)
            json.member("n_prompt_tokens", isBusy ? slot.promptTokens : 0)
            json.member("n_prompt_tokens_processed", isBusy ? slot.processedTokens : 0)
            json.member("n_prompt_tokens_cache", isBusy ? slot.reusedTokens : 0)
            json.member("n_kept_tokens", slot.keptTokens)
            json.key("next_token")
            json.array { json in
                json.object { json in
                    let rest = slot.maxTokens.map { max($0 - slot.generatedTokens, 0) }
                    json.member("has_next_token", isBusy)
                    json.member("has_new_line", false)
                    json.member("n_remain", isBusy ? rest ?? -1 : -1)
                    json.member("n_decoded", isBusy ? slot.generatedTokens : 0)
                }
            }
        }
    }

    // MARK: Files

    /// `POST /slots/NUMBER?action=save|restore|erase`.
    func act(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        let text = request.parameters.first ?? ""
        guard let slot = Int(text), (0..<engine.scheduler.options.slotCount).contains(slot) else {
            throw APIError(
                .invalidRequest,
                "'\(text.prefix(40))' is no slot; expected 0 to \(engine.scheduler.options.slotCount - 1)",
                parameter: "id_slot")
        }
        let action = request.query["action"] ?? ""
        do {
            switch action {
            case "save":
                let (name, path) = try file(request)
                let start = ContinuousClock.now
                let file = try await engine.scheduler.saveSlot(slot, to: path)
                return answer(slot, name, ("n_saved", "n_written", "save_ms"), file, start)
            case "restore":
                let (name, path) = try file(request)
                let start = ContinuousClock.now
                let file = try await engine.scheduler.restoreSlot(slot, from: path)
                return answer(slot, name, ("n_restored", "n_read", "restore_ms"), file, start)
            case "erase":
                let count = try await engine.scheduler.eraseSlot(slot)
                var json = JSONWriter()
                json.object { json in
                    json.member("id_slot", slot)
                    json.member("n_erased", count)
                }
                return .json(json.bytes)
            default:
                throw APIError(
                    .invalidRequest,
                    "the action '\(action.prefix(40))' is not known; expected save, restore or erase",
                    parameter: "action")
            }
        } catch let error as SwiftletError {
            throw GenerationRun.error(error)
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(.server, "\(error)")
        }
    }

    /// A file in the directory for slots; a name cannot lead out of it.
    private func file(_ request: ServerRequest) throws(APIError) -> (name: String, path: String) {
        guard let directory = context.settings.slotDirectory else {
            throw APIError(
                .notSupported, "slots cannot be saved; start the server with --slot-save-path DIRECTORY")
        }
        var fields = try RequestFields(body: request.body)
        guard let name = try fields.string("filename") else { throw fields.missing("filename") }
        fields.accept(["model"])
        try fields.finish()
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !#"/\:*?"<>|"#.utf8.contains($0) }
        guard !name.isEmpty, name.utf8.count <= 255, isPlain, !name.hasPrefix(".") else {
            throw .field("filename", "is no plain file name, such as slot.bin")
        }
        return (name, directory + "/" + name)
    }

    private func answer(
        _ slot: Int, _ name: String, _ keys: (tokens: String, bytes: String, time: String), _ file: SlotFile,
        _ start: ContinuousClock.Instant
    ) -> Answer {
        var json = JSONWriter()
        json.object { json in
            json.member("id_slot", slot)
            json.member("filename", name)
            json.member(keys.tokens, file.tokenCount)
            json.member(keys.bytes, file.byteCount)
            json.key("timings")
            json.object { $0.member(keys.time, (ContinuousClock.now - start).seconds * 1e3) }
        }
        return .json(json.bytes)
    }

    /// `POST /reset_prefix_cache`, as vLLM has it: gives up what is kept of all prompts.
    func forget(_ request: ServerRequest) async throws(APIError) -> Answer {
        let count = await (try context.host.engine()).scheduler.forgetPrompts() ?? 0
        var json = JSONWriter()
        json.object { json in
            json.member("success", true)
            json.member("n_erased_prompts", count)
        }
        return .json(json.bytes)
    }

    // MARK: Cache

    /// `GET /v1/cache/ID?choice=0`: which positions the cache of a running answer holds.
    ///
    /// With `if_running=1` the answer is `null`, and no error, where nothing is being written.
    func view(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        let choice = request.query["choice"].flatMap(Int.init) ?? 0
        guard let id = request.parameters.first, choice >= 0,
            let view = await engine.scheduler.cacheView(of: id, choice: choice)
        else {
            if request.query["if_running"] == "1" { return .json(Array("null".utf8)) }
            throw APIError(.notFound, "no such answer is being written", parameter: "id")
        }
        let fullBytes = await engine.scheduler.fullCacheBytes(of: view.report.tokenCount)
        var json = JSONWriter()
        json.cacheView(view, fullBytes: fullBytes)
        return .json(json.bytes)
    }
}
