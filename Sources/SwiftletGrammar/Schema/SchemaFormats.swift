import SwiftletTensor

/// The values of `format` that are enforced.
enum SchemaFormats {
    /// Formats that say how a number is stored or a text is used, not what it looks like.
    static let annotations: Set<String> = ["float", "double", "decimal", "password", "byte", "binary"]

    /// The formats of text, in order of their names.
    static var names: [String] { patterns.keys.sorted() }

    /// The texts of a format; `nil` if it is not known.
    static func language(_ format: String) throws(SwiftletError) -> GrammarNode? {
        guard let pattern = patterns[format] else { return nil }
        return try RegularExpression(pattern, source: "the format '\(format)'").whole()
    }

    /// The range of an integer format of OpenAPI.
    static func integerBounds(_ format: String) -> (low: DecimalNumber, high: DecimalNumber)? {
        let bounds: (String, String)? =
            switch format {
            case "int32": ("-2147483648", "2147483647")
            case "int64": ("-9223372036854775808", "9223372036854775807")
            case "uint32": ("0", "4294967295")
            case "uint64": ("0", "18446744073709551615")
            default: nil
            }
        return bounds.map { (DecimalNumber(text: $0.0), DecimalNumber(text: $0.1)) }
    }

    private static let patterns: [String: String] = [
        "date": date, "time": time, "date-time": "(?:\(date))T(?:\(time))",
        "duration": duration, "uuid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "email": "\(atom)(?:\\.\(atom))*@\(label)(?:\\.\(label))+",
        "hostname": "\(label)(?:\\.\(label))*", "ipv4": ipv4, "ipv6": ipv6,
        "uri": "[A-Za-z][A-Za-z0-9+.\\-]*:\(uriPart)+",
        "json-pointer": "(?:/(?:[^~/]|~[01])*)*",
    ]

    /// RFC 3339, `full-date`, years 0001 to 9999, with the days that the month has.
    private static let date: String = {
        let year = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
        let leap = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
        let days = "(?:0[1-9]|1[0-9]|2[0-8])"
        let long = "(?:0[13578]|1[02])-(?:29|3[01])|(?:0[13-9]|1[0-2])-(?:29|30)"
        return "\(year)-(?:(?:0[1-9]|1[0-2])-\(days)|\(long))|\(leap)-02-29"
    }()

    /// RFC 3339, `full-time`, without leap seconds.
    private static let time =
        "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:[Zz]|[+\\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

    /// RFC 3339, appendix A.
    private static let duration: String = {
        let time = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
        let date = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
        return "P(?:\(date)(?:\(time))?|\(time)|[0-9]+W)"
    }()

    private static let atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+"
    /// RFC 1123: up to 63 letters, digits and inner hyphens.
    private static let label = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?"
    private static let ipv4 = "(?:\(octet)\\.){3}\(octet)"
    private static let octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    /// RFC 3986, section 2: unreserved and reserved characters and escapes.
    private static let uriPart = "(?:[A-Za-z0-9\\-._~:/?#\\[\\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})"

    /// RFC 4291, section 2.2: eight groups, or fewer around one `::`; the last two may be an IPv4 address.
    private static let ipv6: String = {
        let group = "[0-9A-Fa-f]{1,4}"
        let last = "(?:\(group):\(group)|\(ipv4))"
        var forms = ["(?:\(group):){6}\(last)", "::(?:\(group):){5}\(last)"]
        for before in 1...7 {
            let head = "\(group)(?::\(group)){0,\(before - 1)}"
            let after = 7 - before
            switch after {
            case 0: forms.append("\(head)::")
            case 1: forms.append("\(head)::(?:\(group))?")
            default: forms.append("\(head)::(?:(?:\(group):){0,\(after - 2)}\(last)|(?:\(group))?)")
            }
        }
        forms += ["::(?:(?:\(group):){0,4}\(last)|(?:\(group))?)"]
        return forms.joined(separator: "|")
    }()
}
