import Dispatch
import SwiftletCache
import SwiftletFormats
import Testing

@testable import SwiftletEngine
@testable import SwiftletServer

/// Requests side by side: each is answered as if alone, within the memory of all.
@Suite struct SharingTests {
    private static let opening = "Once upon a time there was a little dog who lived in a house by the sea. "

    /// Sixteen ways to keep a cache.
    private static let policies = [
        "", #""kv_policy": "streaming", "kv_budget": 16"#,
        #""kv_policy": "snapkv:window=4", "kv_budget": "50%""#,
        #""kv_policy": "h2o", "kv_budget": 20"#, #""kv_policy": "knorm", "kv_budget": "40%""#,
        #""kv_policy": "tova", "kv_budget": 18"#,
        #""kv_policy": "pyramid+snapkv:window=4", "kv_budget": "50%""#,
        #""kv_policy": "adakv+snapkv:window=4", "kv_budget": "50%""#, #""kv_type_k": "q8_0""#,
        #""kv_type_k": "q8_0", "kv_type_v": "q8_0""#, #""kv_policy": "d2o", "kv_budget": "50%""#,
        #""kv_policy": "observed", "kv_budget": 20"#, #""kv_policy": "pqcache""#,
        #""kv_policy": "expected", "kv_budget": "50%""#, #""kv_policy": "streaming", "kv_budget": 9"#,
        #""cache_prompt": false"#,
    ]

    @Test("sixteen policies at once give the texts that each gives alone")
    func crossTalk() async throws {
        let host = ModelHost(try TestServer.engine(slots: 16) { $0.memoryBytes = 1 << 28 })
        try await TestServer.with(host: host) { server in
            let bodies = Self.policies.enumerated().map { index, policy in
                let words = ["The", "A", "Then", "So", "But", "One", "He", "She"]
                let asked = "\"prompt\": \"\(Self.opening)\(words[index % 8])\", \"max_tokens\": 10"
                return "{\(asked), \"temperature\": 0\(policy.isEmpty ? "" : ", ")\(policy)}"
            }
            func answer(_ body: String) async throws -> String? {
                let reply = try await server.post("/v1/completions", body)
                #expect(reply.status == 200, "\(body): \(reply.text)")
                return try reply.json.at("choices.0.text")?.string
            }
            var alone: [String?] = []
            for body in bodies { alone.append(try await answer(body)) }
            let together = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for (index, body) in bodies.enumerated() {
                    group.addTask { (index, try await answer(body)) }
                }
                var answers = [String?](repeating: nil, count: bodies.count)
                for try await (index, text) in group { answers[index] = text }
                return answers
            }
            #expect(together == alone)
            #expect(alone.allSatisfy { $0?.isEmpty == false })
        }
    }

    @Test("requests wait for memory, and those that can never have it are refused with figures")
    func memory() async throws {
        var options = Session.Options()
        options.threadCount = 1
        let model = try Model.load(nil)
        let one = try Session(model, options).sequence.mostBytes(reading: 40, generating: 24, chunk: 512)
        let host = ModelHost(try TestServer.engine(slots: 4) { $0.memoryBytes = one * 3 / 2 })
        try await TestServer.with(host: host) { server in
            let gate = try server.gate()
            let prompts = ["The dog", "A cat", "The sun"]
            let answers = prompts.map { prompt in
                Task {
                    try await server.post(
                        "/completion",
                        "{\"prompt\": \"\(prompt)\", \"n_predict\": 50, \"temperature\": 0, \"ignore_eos\": true}"
                    )
                }
            }
            while try #require(server.snapshot).waitingRequests < 3 {
                try await Task.sleep(for: .milliseconds(5))
            }
            gate.signal()
            for answer in answers {
                #expect(try await answer.value.json["tokens_predicted"]?.int == 50)
            }
            let snapshot = try #require(server.snapshot)
            #expect(snapshot.peakBytes <= snapshot.memoryBytes)
            let refused = try await server.post("/completion", #"{"prompt": "a", "n_predict": 400}"#)
            #expect(refused.status == 400, "\(refused.text)")
            let message = try #require(refused.json.at("error.message")?.string)
            #expect(message.contains("--kv-memory") && message.contains("\(snapshot.memoryBytes)"))
        }
    }

    @Test("a request gets the slot that it asks for, and is told which one it had")
    func slot() async throws {
        try await TestServer.with(slots: 3) { server in
            let body = #""prompt": "The dog", "n_predict": 3"#
            for slot in [2, 0, 1] {
                let json = try await server.post("/completion", "{\(body), \"id_slot\": \(slot)}").json
                #expect(json["id_slot"]?.int == slot)
            }
            let chunks = try await server.post("/completion", "{\(body), \"id_slot\": 2, \"stream\": true}")
                .chunks
            #expect(chunks.allSatisfy { $0["id_slot"]?.int == 2 })
            #expect(try await server.post("/completion", "{\(body), \"id_slot\": -1}").status == 200)
            for wrong in ["\"id_slot\": 3", "\"id_slot\": 1, \"n\": 2", "\"id_slot\": \"a\""] {
                let reply = try await server.post("/completion", "{\(body), \(wrong)}")
                #expect(try reply.json.at("error.param")?.string == "id_slot", "\(reply.text)")
            }
        }
    }
}
