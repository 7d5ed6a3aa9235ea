import NIOHTTP1
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletHub

/// What servers may not do.
@Suite("HubTrustTests")
struct HubTrustTests {
    @Test("redirections are followed, and no other server gets the token")
    func token() async throws {
        let hub = FakeHub.model
        let content = try await FakeServer { request in
            var reply = hub.content("model.safetensors", FakeHub.bytes(1), request)
            reply.headers = reply.headers.filter { $0.0 == "Content-Range" } + [("ETag", "\"another-tag\"")]
            return reply
        }
        let elsewhere = content.address.replacing("127.0.0.1", with: "localhost") + "/store/x?sig=1"
        let stage = try await HubStage(token: "hf_secret") { request in
            // A repository that was renamed, then a content that lies elsewhere.
            if request.path.hasPrefix("/org/name/") {
                return FakeReply(
                    status: .temporaryRedirect,
                    headers: [("Location", request.path.replacing("/org/name/", with: "/new/name/"))])
            }
            guard request.path.hasSuffix("/model.safetensors") else { return hub.answer(request) }
            var reply = hub.answer(request)
            reply.status = .found
            reply.body = []
            reply.headers.append(("Location", elsewhere))
            return reply
        }
        let (report, _) = try await stage.pull()
        #expect(report.files.count == 4 && report.files.allSatisfy(\.isVerified))
        #expect(stage.server.requests.allSatisfy { $0.headers["authorization"] == ["Bearer hf_secret"] })
        #expect(content.requests.count == 1)
        #expect(content.requests.allSatisfy { !$0.headers.contains(name: "authorization") })
    }

    @Test("circles and strange places end")
    func circles() async throws {
        let circle = try await HubStage { request in
            FakeReply(status: .found, headers: [("Location", request.path + "?again")])
        }
        await expect(.malformed, "redirections") { _ = try await circle.pull() }
        #expect(circle.server.requests.count == 11)
        for place in ["file:///etc/passwd", "ftp://127.0.0.1/x"] {
            let stage = try await HubStage { _ in FakeReply(status: .found, headers: [("Location", place)]) }
            await expect(.malformed, place) { _ = try await stage.pull() }
        }
    }

    @Test(
        "refusals say what to do",
        arguments: [
            (401, "RepoNotFound", SwiftletError.Code.unreadable, "HF_TOKEN"),
            (403, "GatedRepo", .unreadable, "accept its terms"),
            (404, "RepoNotFound", .missing, "check the name"),
            (404, "RevisionNotFound", .missing, "no such revision"),
            (404, "EntryNotFound", .missing, "not in the repository"),
            (418, "", .unreadable, "418"),
        ])
    func refusals(status: Int, code: String, error: SwiftletError.Code, words: String) async throws {
        let stage = try await HubStage { _ in
            FakeReply(status: HTTPResponseStatus(statusCode: status), headers: [("X-Error-Code", code)])
        }
        await expect(error, words, "org/name") { _ = try await stage.pull() }
        #expect(stage.server.requests.count == 1)
    }

    @Test("a token that is refused is named, and not repeated")
    func refusedToken() async throws {
        let stage = try await HubStage(token: "hf_secret") { _ in
            FakeReply(
                status: .unauthorized, body: Array(#"{"error":"Invalid\u0007 credentials"}"#.utf8))
        }
        await expect(.unreadable, "refuses the token", "Invalid credentials") { _ = try await stage.pull() }
    }

    @Test(
        "names that lead out of the folder are refused with everything beside them",
        arguments: [
            "../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "..", "a/.", "a\\b", "a\u{0}b", "a\nb",
            "..\\x",
            String(repeating: "x", count: 256),
        ])
    func names(name: String) async throws {
        var json = JSONWriter()
        json.object { json in
            json.member("sha", FakeHub.commit)
            json.key("siblings")
            json.array { json in
                json.object { $0.member("rfilename", "config.json") }
                json.object { $0.member("rfilename", name) }
            }
        }
        let body = json.bytes
        let stage = try await HubStage { _ in FakeReply(body: body) }
        await expect(.malformed, "nothing was downloaded") { _ = try await stage.pull() }
        #expect(try System.names(in: stage.cache.path).isEmpty)
    }

    @Test(
        "commits and tags that are no names are refused",
        arguments: [
            "../../x", "main", "", String(repeating: "z", count: 40), String(repeating: "a", count: 41),
        ])
    func commits(commit: String) async throws {
        let body = Array(#"{"sha":"\#(commit)","siblings":[]}"#.utf8)
        let stage = try await HubStage { _ in FakeReply(body: body) }
        await expect(.malformed, "sha") { _ = try await stage.pull() }
    }

    @Test("tags become names only if they are harmless")
    func tags() {
        #expect(HubDownload.plain("\"abc\"") == "abc")
        #expect(HubDownload.plain("W/\"abc-1.2_3\"") == "abc-1.2_3")
        #expect(HubDownload.plain("abc") == "abc")
        for tag in [
            "", "\"\"", "\"../x\"", ".hidden", "a/b", "a b", "a\0", "\"a", String(repeating: "a", count: 201),
        ] {
            #expect(HubDownload.plain(tag) == nil, "\(tag)")
        }
    }

    @Test("another commit than the listing's is not taken")
    func otherCommit() async throws {
        let hub = FakeHub.model
        let stage = try await HubStage { request in
            var reply = hub.answer(request)
            reply.headers = reply.headers.map {
                $0.0 == "X-Repo-Commit" ? ($0.0, String(repeating: "0", count: 40)) : $0
            }
            return reply
        }
        await expect(.busy, "commit") { _ = try await stage.pull() }
    }

    @Test("no hub at all is a sentence")
    func noServer() async throws {
        var stage = try await HubStage { _ in FakeReply(body: Array("<html>".utf8)) }
        await expect(.malformed, "127.0.0.1") { [stage] in _ = try await stage.pull() }
        await stage.server.stop()
        stage.settings.retries.attempts = 2
        await expect(.busy, "org/name", "2 times") { [stage] in _ = try await stage.pull() }
    }
}
