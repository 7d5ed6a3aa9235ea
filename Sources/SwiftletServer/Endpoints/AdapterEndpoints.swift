import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

/// `/lora-adapters` in llama-server's shape.
struct AdapterEndpoints: Sendable {
    let context: ServerContext

    /// `GET /lora-adapters`.
    func list(_ request: ServerRequest) throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var json = JSONWriter()
        json.array { json in
            for (id, use) in engine.adapters.uses.enumerated() {
                json.object { json in
                    json.member("id", id)
                    json.member("path", use.adapter.path)
                    json.member("scale", Double(use.scale))
                    json.member("task_name", "")
                    json.member("prompt_prefix", "")
                }
            }
        }
        return .json(json.bytes)
    }

    /// `POST /lora-adapters`: the scales of requests to come that do not say; adapters that are not named get 0.
    func set(_ request: ServerRequest) throws(APIError) -> Answer {
        let engine = try context.host.engine()
        let list: JSON
        do {
            list = try JSON.parse(request.body, source: "the body")
        } catch {
            throw APIError(.invalidRequest, error.message, code: "invalid_json")
        }
        guard list.kind == .array, list.count <= 1_024 else {
            throw APIError(
                .invalidRequest, "the body is no list of adapters, expected [{\"id\": 0, \"scale\": 1.0}]",
                code: "invalid_type")
        }
        engine.adapters.set(try engine.adapters.uses(Array(list.elements), named: "adapters"))
        var json = JSONWriter()
        json.object { $0.member("success", true) }
        return .json(json.bytes)
    }
}
