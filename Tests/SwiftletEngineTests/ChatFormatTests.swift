import Testing

@testable import SwiftletEngine

@Suite struct ChatFormatTests {
    /// Short templates with the marks of real ones.
    private static let templates: [(template: String?, format: ChatFormat)] = [
        (nil, .plain), ("", .plain), ("{{ messages[0]['content'] }}", .plain),
        (
            "{% for m in messages %}{{'<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>'}}{% endfor %}",
            .chatML
        ),
        (
            "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + content + '<|eot_id|>' }}",
            .llama3
        ),
        (
            "{% set content = '<<SYS>>\\n' + system %}{{ bos_token + '[INST] ' + content + ' [/INST]' }}",
            .llama2
        ),
        ("{{ '[INST] ' + message['content'] + ' [/INST]' }}{{ message['content'] + eos_token }}", .mistral),
        ("{{ '<|user|>\\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}", .zephyr),
        ("<|user|>{{ m['content'] }}<|end|><|assistant|>{{ m['content'] }}<|end|>", .bars),
    ]

    @Test("templates are recognised by their marks", arguments: templates.indices)
    func recognition(index: Int) {
        #expect(ChatFormat(template: Self.templates[index].template) == Self.templates[index].format)
    }

    private static let talk = [
        ChatMessage(.system, "S"), ChatMessage(.user, "Q1"), ChatMessage(.assistant, " A1\n"),
        ChatMessage(.user, "Q2"),
    ]

    /// Expected prompts, written after the models' own documentation.
    @Test(
        "a conversation in every format",
        arguments: [
            (.bars, "<|user|>S Q1<|end|><|assistant|> A1\n<|end|><|user|>Q2<|end|><|assistant|>"),
            (
                .chatML,
                "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n A1\n"
                    + "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"
            ),
            (
                .llama3,
                "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
                    + "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\n A1\n<|eot_id|>"
                    + "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
                    + "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
            (
                .llama2,
                "[INST] <<SYS>>\nS\n<</SYS>>\n\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST]"
            ),
            (.mistral, "[INST] S\n\nQ1 [/INST] A1</s>[INST] Q2 [/INST]"),
            (
                .zephyr,
                "<|system|>\nS</s>\n<|user|>\nQ1</s>\n<|assistant|>\n A1\n</s>\n<|user|>\nQ2</s>\n<|assistant|>\n"
            ),
            (.plain, "S\nUser: Q1\nAssistant: A1\nUser: Q2\nAssistant:"),
        ] as [(ChatFormat, String)])
    func prompts(format: ChatFormat, expected: String) { #expect(format.prompt(Self.talk) == expected) }

    @Test("every format takes empty and blank contents", arguments: ChatFormat.allCases)
    func blank(format: ChatFormat) {
        for content in ["", " ", "\n \n"] {
            let text = format.prompt([
                ChatMessage(.system, content), ChatMessage(.user, content), ChatMessage(.assistant, content),
                ChatMessage(.user, "end"),
            ])
            #expect(text.contains("end"))
        }
        _ = format.prompt([])
        #expect(!format.stopStrings.isEmpty && !format.stopStrings.contains(""))
    }

    @Test("without instructions nothing takes their place", arguments: ChatFormat.allCases)
    func noSystem(format: ChatFormat) {
        let text = format.prompt([ChatMessage(.user, "Q")])
        #expect(!text.contains("SYS") && !text.contains("system"))
    }
}
