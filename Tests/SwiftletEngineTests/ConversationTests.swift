import SwiftletGrammar
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct ConversationTests {
    private let model: Model
    private let tokenizer: Tokenizer

    init() throws {
        model = try EngineFixture.model()
        tokenizer = try #require(model.tokenizer)
    }

    private func session(_ contextLength: Int = 1_000) throws -> Session {
        try EngineFixture.session({ $0.contextLength = contextLength }, model: model)
    }

    @Test(
        "an answer is what a fresh session writes for the whole conversation", arguments: ChatFormat.allCases)
    func answers(format: ChatFormat) throws {
        let session = try session()
        var conversation = Conversation(session: session, format: format, system: "Be kind.")
        for (turn, message) in ["Hello", "And then?", ""].enumerated() {
            var options = GenerationOptions.test(6, seed: UInt64(turn))
            let prompt = format.prompt(conversation.messages + [ChatMessage(.user, message)])
            var text = ""
            let reason = try conversation.answer(message, options) { text += $0 }
            options.stopStrings = format.stopStrings
            options.stopTokens = Set(format.stopStrings.compactMap(tokenizer.id(of:)))
            let fresh = try Written(try self.session(), tokenizer.encode(prompt), options)
            #expect(text == fresh.text && reason == fresh.reason)
            #expect(conversation.messages.count == 3 + 2 * turn)
            #expect(conversation.messages.last == ChatMessage(.assistant, text))
        }
    }

    @Test("thoughts are told apart, and go to the template as such")
    func thoughts() throws {
        let model = try Model.load(nil)
        var options = GenerationOptions(defaultsOf: model)
        options.constraint = try model.constraint(Grammar.cached(regex: "<think>ab</think>\n(cd|ef)"))
        let template = try ChatTemplate(
            "{% for m in messages %}[{{ m.reasoning_content }}|{{ m.content }}]{% endfor %}", name: "test",
            tokenizer: try #require(model.tokenizer))
        for splits in [true, false] {
            var conversation = Conversation(session: try Session(model), template: template)
            var (text, thought) = ("", "")
            try conversation.answer("Hi", options, splitsThoughts: splits) {
                switch $0 {
                case .text(let piece): text += piece
                case .thought(let piece): thought += piece
                }
            }
            let spoken = text.suffix(2)
            #expect(spoken == "cd" || spoken == "ef")
            #expect(thought == (splits ? "ab" : "") && text == (splits ? "" : "<think>ab</think>\n") + spoken)
            #expect(conversation.messages.last?.content == text)
            #expect(conversation.messages.last?.reasoning == (splits ? "ab" : nil))
        }
    }

    @Test("only what is new is fed")
    func incremental() throws {
        let session = try session()
        var conversation = Conversation(session: session, format: .bars)
        _ = try conversation.answer("Hello", .test(4)) { _ in }
        let before = session.tokens
        var fed: [Int] = []
        let prompt = tokenizer.encode(
            ChatFormat.bars.prompt(conversation.messages + [ChatMessage(.user, "More")]))
        let shared = zip(before, prompt).prefix { $0 == $1 }.count
        #expect(shared > 10)
        _ = try conversation.answer("More", .test(4)) { _ in fed.append(session.tokens.count) }
        #expect(session.tokens.starts(with: prompt))
        #expect(fed.first == prompt.count)
    }

    @Test("a cancelled answer is kept, one that never began leaves no trace")
    func cancelled() throws {
        var conversation = Conversation(session: try session(), format: .bars)
        var text = ""
        let reason = try conversation.answer("Hi", .test(9), isCancelled: { text.count > 2 }) { text += $0 }
        #expect(reason == .cancelled && text.count > 2)
        #expect(conversation.messages == [ChatMessage(.user, "Hi"), ChatMessage(.assistant, text)])
        let messages = conversation.messages
        let none = try conversation.answer("Hm", .test(9), isCancelled: { true }) { _ in }
        #expect(none == .cancelled && conversation.messages == messages)
        #expect(try conversation.answer("Hm", .test(2)) { _ in } == .length)
        #expect(conversation.messages.count == 4)
    }

    @Test("an error leaves the conversation as it was")
    func error() throws {
        var conversation = Conversation(session: try session(60), format: .bars, system: "S")
        _ = try conversation.answer("Hi", .test(2)) { _ in }
        let messages = conversation.messages
        expectError(.limit, "the context holds 60") {
            try conversation.answer(String(repeating: "long ", count: 100), .test(2)) { _ in }
        }
        var wrong = GenerationOptions.test(2)
        wrong.sampling.minP = -1
        expectError(.invalidArgument, "--min-p") { try conversation.answer("Hi", wrong) { _ in } }
        #expect(conversation.messages == messages)
        conversation.reset()
        #expect(conversation.messages == [ChatMessage(.system, "S")])
        #expect(try conversation.answer("Hi", .test(2)) { _ in } == .length)
    }

    @Test("the built-in model answers from what it was told, also in a second turn")
    func builtIn() throws {
        let model = try Model.load(nil)
        #expect(model.chatFormat == .bars)
        let session = try Session(model)
        var conversation = Conversation(session: session, format: model.chatFormat)
        var options = GenerationOptions(defaultsOf: model)
        options.sampling = .greedy
        options.maxTokens = 20
        let reason = try conversation.answer(
            "The golden ring belongs to Tom. Who has the golden ring?", options
        ) { _ in }
        #expect(conversation.messages.last?.content == "Tom.")
        #expect(reason == .stopToken(3))
        let fed = session.tokens.count
        var known = 0
        _ = try conversation.answer("Who has the golden ring?", options) { _ in
            known = known == 0 ? session.tokens.count : known
        }
        #expect(known > fed && conversation.messages.count == 4)
    }
}
