import HTTPTypes
import SwiftletEngine
import SwiftletFormats

/// The description of the server's interface, made from its table of routes.
///
/// Source: OpenAPI 3.1.
enum OpenAPI {
    static func document(_ routes: [Route]) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("openapi", "3.1.0")
            json.key("info")
            json.object { json in
                json.member("title", "Swiftlet")
                json.member("version", Release.version)
                json.member("description", "A server for language models with a cache policy per request.")
            }
            json.key("paths")
            json.object { json in
                for path in Set(routes.map(\.path)).sorted() {
                    json.key(path.replacing("*", with: "{name}"))
                    json.object { json in
                        for route in routes where route.path == path { operation(route, &json) }
                    }
                }
            }
            json.key("components")
            json.object { components(&$0) }
        }
        return json.bytes
    }

    private static func operation(_ route: Route, _ json: inout JSONWriter) {
        json.key(route.method.rawValue.lowercased())
        json.object { json in
            json.member("summary", route.summary)
            json.key("security")
            json.array { json in
                if !route.isPublic { json.object { $0.member("key", [String]()) } }
            }
            if route.path.contains("*") {
                json.key("parameters")
                json.array { json in
                    json.object { json in
                        json.member("name", "name")
                        json.member("in", "path")
                        json.member("required", true)
                        json.key("schema")
                        json.object { $0.member("type", "string") }
                    }
                }
            }
            if route.method == .post { body(route, &json) }
            json.key("responses")
            json.object { json in
                response("200", "The answer.", nil, &json)
                response("4XX", "The request cannot be served.", "Error", &json)
                response("5XX", "The server cannot serve it now.", "Error", &json)
            }
        }
    }

    private static func body(_ route: Route, _ json: inout JSONWriter) {
        json.key("requestBody")
        json.object { json in
            json.key("content")
            json.object { json in
                json.key("application/json")
                json.object { json in
                    json.key("schema")
                    json.object { json in
                        if let name = schemas[route.path] {
                            json.member("$ref", "#/components/schemas/\(name)")
                        } else {
                            json.member("type", "object")
                        }
                    }
                }
            }
        }
    }

    private static func response(
        _ status: String, _ text: String, _ schema: String?, _ json: inout JSONWriter
    ) {
        json.key(status)
        json.object { json in
            json.member("description", text)
            guard let schema else { return }
            json.key("content")
            json.object { json in
                json.key("application/json")
                json.object { json in
                    json.key("schema")
                    json.object { $0.member("$ref", "#/components/schemas/\(schema)") }
                }
            }
        }
    }

    // MARK: Schemas

    private static let schemas = [
        "/v1/chat/completions": "Chat", "/chat/completions": "Chat", "/v1/completions": "Completion",
        "/completion": "Completion", "/completions": "Completion",
    ]

    /// Fields that all endpoints for text share, with their types.
    private static let fields: [(String, String)] = [
        ("model", "string"), ("stream", "boolean"), ("n", "integer"), ("max_tokens", "integer"),
        ("min_tokens", "integer"), ("temperature", "number"), ("top_k", "integer"), ("top_p", "number"),
        ("min_p", "number"), ("typical_p", "number"), ("repeat_penalty", "number"),
        ("repeat_last_n", "integer"), ("presence_penalty", "number"), ("frequency_penalty", "number"),
        ("seed", "integer"), ("logit_bias", "object"), ("ignore_eos", "boolean"), ("cache_prompt", "boolean"),
        ("kv_policy", "string"), ("kv_budget", "string"), ("kv_type_k", "string"), ("kv_type_v", "string"),
        ("return_kv_stats", "boolean"), ("return_kv_view", "boolean"), ("return_progress", "boolean"),
        ("timings_per_token", "boolean"),
    ]

    private static func components(_ json: inout JSONWriter) {
        json.key("securitySchemes")
        json.object { json in
            json.key("key")
            json.object { json in
                json.member("type", "http")
                json.member("scheme", "bearer")
            }
        }
        json.key("schemas")
        json.object { json in
            schema("Chat", required: "messages", [("messages", "array"), ("tools", "array")], &json)
            schema("Completion", required: "prompt", [("echo", "boolean"), ("logprobs", "integer")], &json)
            json.key("Error")
            json.object { json in
                json.member("type", "object")
                json.key("properties")
                json.object { json in
                    json.key("error")
                    json.object { json in
                        json.member("type", "object")
                        json.key("properties")
                        json.object { json in
                            for name in ["message", "type", "param", "code"] {
                                property(name, "string", &json)
                            }
                        }
                    }
                }
            }
        }
    }

    private static func schema(
        _ name: String, required: String, _ more: [(String, String)], _ json: inout JSONWriter
    ) {
        json.key(name)
        json.object { json in
            json.member("type", "object")
            json.member("required", [required])
            json.member("additionalProperties", false)
            json.key("properties")
            json.object { json in
                if required == "prompt" {
                    json.key("prompt")
                    json.object { $0.member("type", ["string", "array"]) }
                }
                for (field, type) in more + fields { property(field, type, &json) }
                json.key("stop")
                json.object { $0.member("type", ["string", "array"]) }
            }
        }
    }

    private static func property(_ name: String, _ type: String, _ json: inout JSONWriter) {
        json.key(name)
        json.object { json in
            if type == "object" || type == "array" {
                json.member("type", type)
            } else {
                json.member("type", [type, "null"])
            }
        }
    }
}
