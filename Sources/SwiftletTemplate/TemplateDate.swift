/// A local date and time, for templates that write today's date.
public struct TemplateDate: Sendable, Hashable {
    /// The year of the Gregorian calendar.
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int
    /// 0 to 23.
    public var hour: Int
    /// 0 to 59.
    public var minute: Int
    /// 0 to 60.
    public var second: Int

    /// A date, at midnight unless a time is given.
    public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// Days since 1970-01-01.
    private var dayNumber: Int {
        // Years begin in March, so that the leap day is the last.
        let shifted = month > 2 ? year : year - 1
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// 0 for Sunday.
    private var weekday: Int { ((dayNumber + 4) % 7 + 7) % 7 }

    private var dayOfYear: Int {
        dayNumber - TemplateDate(year: year, month: 1, day: 1).dayNumber + 1
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ]
    private static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// C's `strftime` with English names; an unknown conversion stays as it is.
    public func formatted(_ format: String) -> String {
        var result = ""
        var scalars = Substring(format).unicodeScalars
        while let scalar = scalars.popFirst() {
            guard scalar == "%" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            let before = scalars
            var padding: Unicode.Scalar?
            if let flag = scalars.first, "-_0^".unicodeScalars.contains(flag) {
                padding = flag
                scalars.removeFirst()
            }
            if let conversion = scalars.popFirst(), let text = field(conversion, padding) {
                result += padding == "^" ? text.uppercased() : text
            } else {
                result += "%"
                scalars = before
            }
        }
        return result
    }

    private func field(_ conversion: Unicode.Scalar, _ padding: Unicode.Scalar?) -> String? {
        func number(_ value: Int, _ width: Int = 2, _ natural: Unicode.Scalar = "0") -> String {
            let digits = String(value)
            guard padding != "-" else { return digits }
            let fill = padding == "_" ? " " : padding == "0" ? "0" : String(Character(natural))
            return String(repeating: fill, count: max(0, width - digits.count)) + digits
        }
        let hour12 = (hour + 11) % 12 + 1
        switch conversion {
        case "Y": return number(year, 1)
        case "y": return number(((year % 100) + 100) % 100)
        case "C": return number(year / 100)
        case "m": return number(month)
        case "d": return number(day)
        case "e": return number(day, 2, " ")
        case "H": return number(hour)
        case "k": return number(hour, 2, " ")
        case "I": return number(hour12)
        case "l": return number(hour12, 2, " ")
        case "M": return number(minute)
        case "S": return number(second)
        case "f": return "000000"
        case "j": return number(dayOfYear, 3)
        case "u": return String(weekday == 0 ? 7 : weekday)
        case "w": return String(weekday)
        case "U": return number((dayOfYear + 6 - weekday) / 7)
        case "W": return number((dayOfYear + 6 - (weekday + 6) % 7) / 7)
        case "B": return Self.months[min(max(month, 1), 12) - 1]
        case "b", "h": return String(Self.months[min(max(month, 1), 12) - 1].prefix(3))
        case "A": return Self.weekdays[weekday]
        case "a": return String(Self.weekdays[weekday].prefix(3))
        case "p": return hour < 12 ? "AM" : "PM"
        case "P": return hour < 12 ? "am" : "pm"
        case "F": return formatted("%Y-%m-%d")
        case "D", "x": return formatted("%m/%d/%y")
        case "T", "X": return formatted("%H:%M:%S")
        case "R": return formatted("%H:%M")
        case "r": return formatted("%I:%M:%S %p")
        case "c": return formatted("%a %b %e %H:%M:%S %Y")
        case "z", "Z": return ""
        case "n": return "\n"
        case "t": return "\t"
        case "%": return "%"
        default: return nil
        }
    }
}
