import Testing

@testable import SwiftletText

@Suite("Unicode")
struct UnicodeTests {
    @Test("decodes what the standard library decodes, and single bytes otherwise")
    func decoding() {
        let values = Array(UInt32(0)..<0x900) + Array(stride(from: UInt32(0x900), through: 0x10FFFF, by: 13))
        for value in values {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            #expect(UTF8Text.values(bytes) == [value])
            if value % 97 == 0 {
                #expect(UTF8Text.bytes([value]) == bytes)
                bytes.withUnsafeBufferPointer { buffer in
                    if let base = buffer.baseAddress { #expect(UTF8Text.previous(base, buffer.count) == 0) }
                }
                if bytes.count > 1 { #expect(UTF8Text.values(bytes.dropLast()).count == bytes.count - 1) }
            }
        }
    }

    @Test("walks backwards over the same boundaries as forwards", arguments: 0..<50 as Range<UInt64>)
    func backwards(seed: UInt64) {
        let text = MixedText.make(seed: seed, count: 400, invalid: true)
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var forwards = [0]
            while let last = forwards.last, last < text.count {
                forwards.append(last + UTF8Text.decode(base, last, text.count).width)
            }
            var backwards = [text.count]
            while let last = backwards.last, last > 0 { backwards.append(UTF8Text.previous(base, last)) }
            #expect(forwards == backwards.reversed())
        }
    }

    @Test("agrees with the standard library on characters that both know")
    func categories() {
        let classes = UnicodeClasses.shared
        for value in stride(from: UInt32(0), through: 0x10FFFF, by: 7) {
            guard let scalar = Unicode.Scalar(value), scalar.properties.age.map({ $0.major < 15 }) ?? false
            else {
                continue
            }
            let properties = scalar.properties
            #expect(classes[value].contains(.space) == properties.isWhitespace)
            #expect(classes[value].contains(.lower) == (properties.generalCategory == .lowercaseLetter))
            #expect(
                classes[value].contains(.mark)
                    == [.nonspacingMark, .spacingMark, .enclosingMark].contains(properties.generalCategory))
            #expect(CharacterSet.alphabetic.contains(value) == properties.isAlphabetic)
        }
        for byte in UInt32(0)..<256 { #expect(classes[UTF8Text.invalidBase + byte] == []) }
    }

    @Test("character sets obey the laws of sets")
    func setLaws() {
        let a = CharacterSet([5...10, 8...20, 21...21, 127...130]), b = CharacterSet([0...6, 129...200])
        #expect(a.ranges == [5...21, 127...130])
        #expect(a.intersection(b).ranges == [5...6, 129...130])
        #expect(a.complement.complement == a && a.union(a.complement) == .all)
        for value in UInt32(0)..<256 {
            #expect(a.union(b).contains(value) == (a.contains(value) || b.contains(value)))
        }
    }

    @Test("the byte-level alphabet maps all bytes to different characters and back")
    func byteAlphabet() {
        let all = (0...255).map { UInt8($0) }
        #expect(Set(ByteAlphabet.characters).count == 256)
        var bytes: [UInt8] = []
        ByteAlphabet.appendDecoded(ByteAlphabet.encode(all)[...], to: &bytes)
        #expect(bytes == all)
        #expect(ByteAlphabet.encode([0x20, 0x0A]) == Array("ĠĊ".utf8))
        ByteAlphabet.appendDecoded(Array("中".utf8)[...], to: &bytes)
        #expect(bytes == all + Array("中".utf8))
    }
}
