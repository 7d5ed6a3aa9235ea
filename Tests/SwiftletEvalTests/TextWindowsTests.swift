import SwiftletEngine
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEval

@Suite struct TextWindowsTests {
    private func text(_ count: Int, start: TokenID? = nil) -> EvaluationText {
        EvaluationText((0..<count).map { TokenID($0 + 10) }, start: start)
    }

    @Test("chunks are those of llama-perplexity", arguments: [2, 3, 4, 7, 8])
    func chunks(size: Int) throws {
        for count in size..<40 {
            let found = try TextWindows.chunks(text(count, start: 1), size: size)
            #expect(found.windows.count == count / size)
            for (index, window) in found.windows.enumerated() {
                #expect(window.tokens.first == 1 && window.tokens.count == size)
                #expect(window.tokens.dropFirst().first == TokenID(index * size + 11))
                // n_ctx − 1 − n_ctx / 2 tokens, except that one of a window of two is scored
                #expect(window.scored.count == max(size - 1 - size / 2, 1))
            }
        }
        #expect(try TextWindows.chunks(text(9), size: 3, limit: 2).windows.count == 2)
        #expect(try TextWindows.chunks(text(9), size: 3).windows[1].tokens == [13, 14, 15])
        #expect(try TextWindows.chunks(text(9), size: 9, prompt: 1).scoredCount == 8)
    }

    @Test("sliding windows score what the guide's labels leave", arguments: [2, 3, 5, 8])
    func sliding(size: Int) throws {
        for stride in 1...size {
            for count in 2..<30 {
                let text = text(count)
                var (expected, begin, previous) = ([(scored: [TokenID], new: Int)](), 0, 0)
                while previous < count {
                    let end = min(begin + size, count)
                    let labels = Array(text.tokens[begin..<end]).suffix(end - previous)
                    // the first token of a window has nothing to be predicted from
                    let scored = labels.count == end - begin ? Array(labels.dropFirst()) : Array(labels)
                    if !scored.isEmpty { expected.append((scored, end - previous)) }
                    (begin, previous) = (begin + stride, end)
                }
                let found = try TextWindows.sliding(text, size: size, stride: stride).windows
                #expect(found.map(\.scored) == expected.map(\.scored), "\(stride), \(count)")
                #expect(found.map(\.newCount) == expected.map(\.new))
                if stride < size {
                    #expect(found.flatMap(\.scored) == Array(text.tokens.dropFirst()))
                }
            }
        }
    }

    @Test func refusals() throws {
        expectError(.invalidArgument, "has 7 tokens", "has 8") { try TextWindows.chunks(text(7), size: 8) }
        expectError(.invalidArgument, "(-c) is 1") { try TextWindows.chunks(text(7), size: 1) }
        expectError(.invalidArgument, "--chunks", "0") { try TextWindows.chunks(text(7), size: 4, limit: 0) }
        expectError(.invalidArgument, "--prefix", "1 to 3") {
            try TextWindows.chunks(text(7), size: 4, prompt: 4)
        }
        expectError(.invalidArgument, "--ppl-stride", "1 to 4") {
            try TextWindows.sliding(text(7), size: 4, stride: 5)
        }
        expectError(.invalidArgument, "1 tokens", "2") {
            try TextWindows.sliding(text(1), size: 4, stride: 2)
        }
    }

    @Test("a text is UTF-8, not empty, and read without its last line end")
    func reading() throws {
        let model = try Model.load(nil)
        let text = try EvaluationText(Array("Once upon a time\n".utf8), for: model, named: "t")
        #expect(text.tokens == model.tokenizer?.encode("Once upon a time"))
        #expect(text.start == model.tokenizer?.bos && text.tokens.first == text.start)
        let marked = try EvaluationText(Array("<|end|>".utf8), for: model, named: "t")
        #expect(marked.tokens.count > 2)
        for empty in ["", "\n"] {
            expectError(.invalidArgument, "t is empty") {
                try EvaluationText(Array(empty.utf8), for: model, named: "t")
            }
        }
        expectError(.malformed, "byte 3") {
            try EvaluationText(Array("abc".utf8) + [0xC3, 0xA9].prefix(1) + [0x41], for: model, named: "t")
        }
    }
}
