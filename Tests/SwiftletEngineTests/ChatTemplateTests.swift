import SwiftletTemplate
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct ChatTemplateTests {
    private let model: Model
    private let tokenizer: Tokenizer

    init() throws {
        model = try EngineFixture.model()
        tokenizer = try #require(model.tokenizer)
    }

    private static let chatML = """
        {% for m in messages %}
        {{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{ '<|im_start|>assistant\\n' }}
        {%- endif %}
        """

    private static let talk = [
        ChatMessage(.system, "S"), ChatMessage(.user, "Q1"), ChatMessage(.assistant, "A1"),
        ChatMessage(.user, "Q2"),
    ]

    private func template(_ source: String) throws -> ChatTemplate {
        try ChatTemplate(source, name: "test", tokenizer: tokenizer)
    }

    @Test func aTemplateAndItsFormWriteTheSame() throws {
        let source =
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
            + "{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt }}"
        let template = try template(source)
        #expect(template.isJinja && template.format == .chatML)
        #expect(try template.prompt(Self.talk) == ChatFormat.chatML.prompt(Self.talk))
    }

    @Test func theBuiltInModelHasATemplateThatDropsInstructionsUnlessTheyAreMoved() throws {
        let model = try Model.load(nil)
        let tokenizer = try #require(model.tokenizer)
        let template = try model.chatTemplate()
        #expect(template.isJinja && template.format == .bars)
        let prompt = try template.prompt(Self.talk)
        #expect(prompt.contains("<|user|>S Q1<|end|><|assistant|>A1<|end|><|user|>Q2<|end|><|assistant|>"))
        let ids = template.tokens(of: prompt, tokenizer)
        #expect(ids == tokenizer.encode(ChatFormat.bars.prompt(Self.talk)))
        #expect(ids.filter { $0 == tokenizer.bos }.count == 1)
        #expect(template.stopTokens(tokenizer).contains(try #require(tokenizer.id(of: "<|end|>"))))
    }

    @Test func templatesThatRefuseInstructionsGetThemInTheQuestion() throws {
        let template = try template(
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
                + "[{{ m.content }}]{% endfor %}")
        #expect(try template.prompt(Self.talk) == "[S\n\nQ1][A1][Q2]")
    }

    @Test func templatesSeeToolsDocumentsAndMoreValues() throws {
        let template = try template(
            "{{ tools|map(attribute='function.name')|list }}{{ documents[0].text }}{{ enable_thinking }}"
                + "{{ add_generation_prompt }}{{ strftime_now('%Y-%m-%d') }}{{ messages[0].tool_calls[0].function.arguments.a }}"
                + "{{ messages[1].name }}{{ messages[1].tool_call_id }}{{ messages[0].reasoning_content }}")
        var settings = ChatSettings()
        settings.tools = [["type": "function", "function": ["name": "add"]]]
        settings.documents = [["title": "T", "text": "D"]]
        settings.values = ["enable_thinking": false]
        settings.addsGenerationPrompt = false
        settings.date = TemplateDate(year: 2024, month: 2, day: 29)
        var answer = ChatMessage(.assistant, "")
        answer.toolCalls = [ToolCall(id: "c1", name: "add", arguments: #"{"a": [1]}"#)]
        answer.reasoning = "R"
        let text = try template.prompt([answer, ChatMessage(tool: "add", id: "c1", "2")], settings)
        #expect(text == "['add']DFalseFalse2024-02-29[1]addc1R")
        expectError(.unsupported, "chatml", "tools") { try ChatTemplate(.chatML).prompt([answer], settings) }
    }

    @Test func errorsNameTheTemplateAndItsLine() throws {
        expectError(.malformed, "test: line 2") { try template("\n{% if %}") }
        let refusing = try template("{{ 1 }}\n{{ raise_exception('only two turns') }}")
        expectError(.invalidArgument, "test: line 2: only two turns") { try refusing.prompt(Self.talk) }
        var conversation = Conversation(
            session: try EngineFixture.session(model: model), template: refusing)
        expectError(.invalidArgument, "only two turns") { try conversation.answer("Hi", .test(2)) { _ in } }
        #expect(conversation.messages.isEmpty)
    }

    @Test func aConversationFeedsOnlyWhatIsNew() throws {
        let session = try EngineFixture.session({ $0.contextLength = 1_000 }, model: model)
        let template = try template(Self.chatML)
        var conversation = Conversation(session: session, template: template, system: "Be kind.")
        for turn in 0..<3 {
            let before = session.tokens
            let messages = conversation.messages + [ChatMessage(.user, "Question \(turn)")]
            let prompt = template.tokens(of: try template.prompt(messages), tokenizer)
            let shared = zip(before, prompt).prefix { $0 == $1 }.count
            #expect(turn == 0 || shared > before.count / 2)
            _ = try conversation.answer("Question \(turn)", .test(5)) { _ in }
            #expect(session.tokens.starts(with: prompt))
        }
        #expect(conversation.messages.count == 7)
    }
}
