#!/usr/bin/env python3
"""Writes cases.json: small templates and what Python's jinja2 makes of them.

Needs jinja2 3.1.6 (markupsafe comes with it). Run it in this folder; the settings are those of chat templates.
"""

import json
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime(2024, 7, 26, 15, 4, 5)


class Generation(jinja2.ext.Extension):
    """The tag that marks a model's answer: its body is a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("answer"), [], [], body).set_lineno(line)

    def answer(self, caller):
        return caller()


class ChatNamespace(jinja2.utils.Namespace):
    """A namespace whose names may not begin with an underscore."""

    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        for name in dict(*args, **kwargs):
            ChatNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, *args, **kwargs)

    def __setitem__(self, name, value):
        ChatNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def environment():
    """The environment of chat templates."""

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    env.globals["namespace"] = ChatNamespace
    return env


VALUES = {
    "n": 7, "m": -3, "zero": 0, "f": 2.5, "t": True, "u": False, "nothing": None,
    "s": "Hello World", "e": "", "uni": "Grüße, 世界! 🎉", "multi": "one\n  two\n\nthree\n",
    "l": [3, 1, 2], "ll": [[1, 2], [3, 4]], "names": ["bob", "Alice", "carol"], "mixed": [1, "a", None, 2.0, True],
    "d": {"a": 1, "b": [1, 2], "items": "shadowed", "c d": {"x": "y"}}, "empty": [], "ed": {},
    "users": [
        {"name": "ann", "age": 30, "tags": ["x", "y"], "address": {"city": "Oslo"}},
        {"name": "Bea", "age": 25, "tags": [], "address": {"city": "Bern"}},
        {"name": "cid", "age": 30, "tags": ["z"], "address": {"city": "oslo"}},
    ],
    "messages": [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi "},
        {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Bye"},
    ],
    "html": "<a href=\"x\">it's & that</a>", "big": 9007199254740993, "quote": "it's \"so\"\n\t\\",
}

# Expressions, one a line, printed with {{ }}.
EXPRESSIONS = r"""
1
1_000
0x1F
0b101
0o17
1.5
1e3
1.5e-7
1e16
1e15
123456789012345680.0
0.1 + 0.2
1/3
2.0
-0.0
1e-5
0.0001
100000.0
1e22
1e23
5e-324
1.7976931348623157e308
'a' "b" 'c'
"a\nb\t\"c\""
'\x41\u00e9\U0001F600'
'\q\\'
"\101"
true
True
false
None
none
[]
[1, 2, 3,]
[1, 'a', none, true, 2.0]
()
(1,)
(1, 2)
1, 2
{}
{'a': 1, 'b': [1, {'c': none}]}
{1: 'x', 2.5: 'y', none: 'z', true: 'w'}
{'a': 1, 'a': 2}
n + 3
n - 10
n * m
n / 2
n // 2
m // 2
n % 3
m % 2
n % -4
-7 // 2
-7 % 3
7 // -2
7.5 // 2
-7.5 // 2
-7.5 % 2
7.5 % -2
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
2 ** 3 ** 2
(-2) ** 3
10 / 5
1 / 0
1 // 0
1 % 0
1.0 / 0
0 ** -1
(-8) ** 0.5
+n
-f
--n
- n + 10
s + '!'
s * 2
2 * s
s * -1
l + [4]
l * 2
[0] * 3
(1,) + (2,)
(1, 2) * 2
s + 1
l + s
none + 1
t + t
t * 3
n + t
f + t
'a' ~ 1 ~ none ~ [1, 'x'] ~ 2.0 ~ true
missing ~ 'x'
1 ~ 2 * 3
1 + 2 ~ 3
1 == 1.0
true == 1
'1' == 1
none == false
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
missing == missing
missing == none
missing != 1
1 < 2 < 3
1 < 3 < 2
1 < 2 > 0 != 5
'a' < 'b'
'a' < 'B'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') <= (1, 'b')
1 < 'a'
none < 1
missing < 1
{} < {}
1 < 2.5
2.5 >= 2
true > false
big == 9007199254740992.0
big > 9007199254740992.0
1 in [1, 2]
1.0 in [1, 2]
'ell' in s
'x' not in s
'' in s
1 in s
'a' in d
'z' not in d
1 in {1: 2}
[1] in d
1 in missing
missing in [1]
'é' in 'e\u0301'
not 1 in [2]
not n
not not n
n and s
e and s
e or s
e or zero or none
n or missing.x
zero and missing.x
t and u or n
not e or u
n if t else s
n if u else s
n if u
(n if u) is defined
'a' if e else 'b' if zero else 'c'
missing.x if u
missing
missing.x
missing['x']
missing.x.y
missing()
missing + 1
missing * 2
-missing
missing | length
missing | list
missing | upper
missing | join
missing | default('d')
missing.x | default('d')
d.missing | default('d')
d.missing.x | default('d')
d.missing is defined
d.a is defined
d.missing
l[10]
l[10] | default('no')
nothing.x
nothing.x.y
nothing | default('d')
nothing | default('d', true)
e | default('d')
e | d('d', boolean=true)
zero | default(1, true)
d.a
d['a']
d.b[0]
d['c d'].x
d['c d']['x']
d.items
d['items']
d.items()
d.items() | list
d.keys()
d.values() | list
d.get('a')
d.get('zz')
d.get('zz', 5)
d.get()
d.update({'z': 1})
d.pop('a')
d.copy() == d
d.clear
l.append(1)
l.append
l.pop()
l.index(1)
l.index(9)
l.count(1)
l.sort()
l.0
l.5
ll.1.0
ll[1][0]
ll[0][-1]
l[-1]
l[-4]
l['x']
l[1.0]
l[true]
s[0]
s[-1]
s[100]
uni[2]
uni[-1]
uni[7:9]
s[:5]
s[6:]
s[-5:]
s[::2]
s[::-1]
s[5:1]
s[5:1:-1]
s[1:100]
s[-100:3]
l[1:]
l[::-1]
l[:-1]
l[:]
l[none:2]
l[::0]
l['a':]
(1, 2, 3)[1:]
range(10)[2:8:3]
range(10)[-1]
range(10)[3]
range(5)
range(5) | list
range(2, 5) | list
range(5, 0, -2) | list
range(0)
range(1, 10, 3)
range(3) | length
range('a')
range(1, 2, 0)
range(10000000)
range(5, 1) | list
3 in range(5)
5 in range(5)
4 in range(0, 10, 2)
5 in range(0, 10, 2)
missing[1:]
n[1:]
d[1:]
n[0]
n.x
n.real
s.upper()
s.lower()
s.title()
s.swapcase()
'heLLo wORLD'.capitalize()
"it's a dog's life".title()
'ǆ'.title()
'ß'.upper()
'ΑΣ ΟΔΟΣ'.lower()
'Straße'.casefold()
'  x '.strip()
'  x '.lstrip() ~ '|'
'  x '.rstrip() ~ '|'
'xxabcxx'.strip('x')
'abcxyz'.strip('zyxa')
'xxabc'.lstrip('x')
'abcxx'.rstrip('x')
'\u00a0x\u2003'.strip()
'x'.strip(none)
'x'.strip(1)
s.split()
s.split('o')
s.split('o', 1)
s.rsplit('o', 1)
s.rsplit('o')
'a,b,,c'.split(',')
'  a  b '.split()
'  a  b  c '.split(none, 1)
'  a  b  c '.rsplit(none, 1)
'a b c'.split(maxsplit=1)
'a b c'.split(sep=' ')
''.split()
''.split(',')
'abc'.split('')
s.partition(' ')
s.rpartition('o')
s.partition('zz')
s.rpartition('zz')
multi.splitlines()
multi.splitlines(true)
'a\r\nb\rc\n'.splitlines()
s.replace('o', '0')
s.replace('o', '0', 1)
s.replace('', '-')
'aaa'.replace('aa', 'b')
s.replace('l', '')
s.startswith('Hello')
s.startswith('hello')
s.startswith(('x', 'H'))
s.startswith('World', 6)
s.startswith('')
s.startswith(1)
s.startswith(['H'])
s.endswith('World')
s.endswith(('a', 'd'))
s.endswith('lo', 0, 5)
s.find('o')
s.find('o', 5)
s.find('zz')
s.rfind('o')
s.index('W')
s.index('zz')
s.rindex('o')
uni.find('世')
uni.rfind('🎉')
s.count('o')
s.count('l', 4)
s.count('')
'aaa'.count('aa')
', '.join(names)
','.join('abc')
','.join([1, 2])
''.join([])
','.join(missing)
'x'.center(7) ~ '|'
'xy'.center(7, '*')
'xyz'.center(8, '*')
'x'.ljust(4, '.')
'x'.rjust(4, '.')
'x'.ljust(3, 'ab')
'42'.zfill(5)
'-42'.zfill(5)
'+1'.zfill(1)
'a\tb'.expandtabs(4)
'123'.isdigit()
'12a'.isdigit()
''.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'abc'.isalpha()
'ab1'.isalnum()
'ab 1'.isalnum()
' \n'.isspace()
'ABC'.isupper()
'aBC'.isupper()
'abc1'.islower()
'1'.islower()
'Abc Def'.istitle()
'abc'.isidentifier()
'1bc'.isidentifier()
'abc'.isascii()
'é'.isascii()
'a\n'.isprintable()
'TestHook'.removeprefix('Test')
'TestHook'.removesuffix('Hook')
'TestHook'.removeprefix('x')
'%s is %d' % ('x', 5)
'%s' % 5
'%5d|%-5d|%05d' % (1, 2, 3)
'%.2f' % 3.14159
'%5.1f|' % 2.25
'%x %X %o' % (255, 255, 8)
'%#x' % 255
'%e' % 12345.678
'%g' % 0.0001
'%G' % 1e-10
'%+d % d' % (5, 5)
'%r' % 'x'
'%c' % 65
'%%' % ()
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%(a)s-%(b)s' % {'a': 1, 'b': 2}
'%(a)s' % 5
'%d' % 'x'
'%d' % 2.9
'%s' % [1, 2]
'%.3s' % 'abcdef'
'%*d' % (5, 1)
'x' % 5
'%z' % 5
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format('a', 'b')
'{a} {b}'.format(a=1, b=2)
'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')
'{:05d}'.format(42)
'{:.2f}'.format(3.14159)
'{:,}'.format(1234567)
'{:_}'.format(1234567)
'{:x}'.format(255)
'{:#b}'.format(5)
'{:e}'.format(12345.678)
'{:%}'.format(0.25)
'{:+}'.format(5)
'{:*^9}'.format('mid')
'{!r}'.format('a')
'{0[a]}'.format(d)
'{0[0]}'.format(l)
'{0.x}'.format(d['c d'])
'{:{}}'.format('a', 5) ~ '|'
'{{}}'.format()
'{}'.format()
'{'.format()
'{:d}'.format('a')
'{:10.3}'.format(3.14159) ~ '|'
'{:g}'.format(1e10)
'{:s}'.format('a')
'{}'.format(none)
'{a}'.format_map({'a': 1})
'a'.encode()
'a'.__class__
'a'.__class__.x
s._private
d.__class__
1.5.is_integer()
5 | abs
-5 | abs
-2.5 | abs
'a' | abs
s | length
l | count
n | length
d | length
s | upper
names | join(', ')
names | join
[1, none, 'x'] | join('-')
users | join(',', attribute='name')
users | map(attribute='name') | join(', ')
users | map(attribute='address.city') | list
users | map(attribute='zz', default='?') | list
users | map(attribute='tags.0', default='none') | list
names | map('upper') | list
names | map('replace', 'o', '0') | list
names | map('zz') | list
names | map | list
l | map('string') | list
empty | map('zz') | list
ll | map('first') | list
ll | map('sum') | list
ll | map('join', '-') | list
[1, 0, 2, none] | select | list
[1, 0, 2, none] | reject | list
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | select('gt', 2) | list
[1, 2, 3, 4] | select('>', 2) | list
[1, 2, 3, 4] | reject('divisibleby', 2) | list
users | selectattr('age', 'equalto', 30) | map(attribute='name') | list
users | selectattr('tags') | map(attribute='name') | list
users | rejectattr('tags') | map(attribute='name') | list
users | rejectattr('age', 'lt', 30) | map(attribute='name') | list
users | selectattr('address.city', 'eq', 'Oslo') | list | length
users | selectattr('zz', 'defined') | list
users | selectattr | list
l | select('zz') | list
users | groupby('age')
users | groupby('age') | map(attribute='grouper') | list
users | groupby('address.city') | map('first') | list
users | groupby('address.city', case_sensitive=true) | map('first') | list
users | groupby('zz', default='q') | map('first') | list
users | map(attribute='name') | sort
names | sort
names | sort(case_sensitive=true)
names | sort(reverse=true)
l | sort
l | sort(reverse=true) | join
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='age,name') | map(attribute='name') | list
users | sort(attribute='age', reverse=true) | map(attribute='name') | list
mixed | sort
[1, 1.0, true, 2] | unique | list
['a', 'A', 'b'] | unique | list
['a', 'A', 'b'] | unique(case_sensitive=true) | list
users | unique(attribute='age') | map(attribute='name') | list
ll | unique | list
l | min
l | max
names | min
names | max(case_sensitive=true)
users | max(attribute='age')
empty | min
[] | max | default('none')
[1, 'a'] | min
l | sum
[1.5, 2] | sum
users | sum(attribute='age')
ll | sum(start=[])
names | sum
empty | sum
l | first
l | last
empty | first
empty | last
s | first
s | last
d | first
d | last
names | map('upper') | first
names | map('upper') | last
l | reverse | list
s | reverse
l | reverse
uni | reverse
names | map('upper') | reverse
s | list
d | list
n | list
range(7) | batch(3) | list
range(7) | batch(3, 'x') | list
range(7) | slice(3) | list
range(7) | slice(3, 'x') | list
range(2) | slice(0) | list
l | batch(0) | list
d | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort(true)
{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value')
{'b': 1, 'A': 2, 'c': 0} | dictsort(reverse=true)
l | dictsort
d | items | list
missing | items | list
l | items | list
s | capitalize
s | title
'foo-bar (baz) [qux] <x {y' | title
"it's" | title
s | trim
' x ' | trim
'xxaxx' | trim('x')
5 | trim
s | center(21) ~ '|'
s | replace('o', 'ö')
s | replace('o', 'ö', 1)
5 | replace('5', 'five')
s | truncate(5)
s | truncate(5, true)
s | truncate(5, leeway=0)
s | truncate(8, false, '..', 0)
s | truncate(8, end='!', leeway=0)
s | truncate(2)
'a b c d e f g h' | truncate(9, leeway=0)
s | wordcount
'it is, a test-case: yes_no 12' | wordcount
'The quick brown fox jumps over the lazy dog' | wordwrap(10)
'The quick brown fox' | wordwrap(10, wrapstring='|')
'abcdefghijkl mno' | wordwrap(5)
'abcdefghijkl mno' | wordwrap(5, false)
'well-known long-standing issue' | wordwrap(12)
'a\n\nb c' | wordwrap(1)
multi | indent
multi | indent(2)
multi | indent(2, true)
multi | indent(2, first=true, blank=true)
multi | indent('> ')
'x' | indent(4)
5 | indent
s | wordcount ~ 'x'
html | escape
html | e
html | forceescape
html | escape | escape
html | escape | forceescape
html | safe
html | safe | escape
(html | escape) is escaped
html is escaped
('<' | e) + '<'
'<' + ('<' | e)
('<' | e) ~ '<'
('<' | e) * 2
('<' | e) | upper
('<' | e) == '&lt;'
[('<' | e)]
html | striptags
'<p>a  &amp; b</p><!-- c --> d' | striptags
'a b/c?d=é&f' | urlencode
{'a b': 'c/d', 'e': 1} | urlencode
[('x', 'y z')] | urlencode
5 | urlencode
{'class': 'x y', 'id': none, 'n': 5} | xmlattr
{'a b': 1} | xmlattr
{} | xmlattr
{'x': '<'} | xmlattr(false)
'42' | int
'42.7' | int
'abc' | int
'abc' | int(5)
'0x1f' | int(base=16)
'1f' | int(0, 16)
'0b11' | int(0, 2)
' 12 ' | int
'1_000' | int
'1__0' | int
2.9 | int
-2.9 | int
true | int
none | int
none | int(3)
[] | int
missing | int
'1e3' | int
'' | int
'3.5' | float
'abc' | float
'abc' | float(1.5)
'1e3' | float
'inf' | float
'nan' | float
'-inf' | float
5 | float
none | float
' 1.5 ' | float
'1_0.5' | float
'.5' | float
'5.' | float
'1e' | float
'0x10' | float
2.5 | round
3.5 | round
2.675 | round(2)
2.71828 | round(3)
42.55 | round(1, 'floor')
42.55 | round(1, 'ceil')
42.1 | round(0, 'ceil')
42 | round
42 | round(1)
1234 | round(-2)
1250 | round(-2)
1350 | round(-2)
-2.5 | round
42.55 | round(method='x')
42 | round(method='floor')
'x' | round
1234.5678 | round(-2)
0.5 | round | int
1 | filesizeformat
0 | filesizeformat
999 | filesizeformat
1000 | filesizeformat
1024 | filesizeformat(true)
123456789 | filesizeformat
123456789 | filesizeformat(binary=true)
'5000' | filesizeformat
1e30 | filesizeformat
'%s-%s' | format(1, 'b')
'%(x)s' | format(x=5)
'%s' | format
'%s' | format(1, x=2)
5 | string
5 | string + 'x'
none | string
d | string
missing | string
s | string
l | tojson
d | tojson
d | tojson(indent=2)
[] | tojson(indent=2)
{} | tojson(indent=2)
[[], {}] | tojson(indent=2)
[1, [2, {'a': 3}]] | tojson(indent=4)
{'b': 1, 'a': 2} | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
d | tojson(indent=1, separators=(',', ' : '))
{'b': 1} | tojson(indent='--')
d | tojson(indent=0)
uni | tojson
uni | tojson(ensure_ascii=true)
quote | tojson
html | tojson
'\x00\x1f\x7f\u2028' | tojson
[none, true, false, 1.0, 1e100, 'x'] | tojson
('nan' | float) | tojson
('inf' | float) | tojson
(1, 2) | tojson
{1: 2, none: 3, true: 4, 1.5: 6} | tojson
{(1, 2): 3} | tojson
missing | tojson
namespace(a=1) | tojson
range(3) | tojson
(names | map('upper')) | tojson
(names | map('upper') | list) | tojson
'é' | tojson(true)
l | pprint
d | pprint
'x' | pprint
users | pprint
{'b': 1, 'a': 2} | pprint
s | attr('upper')
d | attr('a')
d | attr('items') is callable
n | attr('x')
[1, 2] | zz
5 is zz
n is defined
missing is defined
missing is undefined
missing is not defined
nothing is none
n is none
n is number
t is number
f is number
s is number
t is boolean
n is boolean
t is true
n is true
u is false
zero is false
n is integer
t is integer
f is integer
f is float
n is float
s is string
n is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
n is sequence
missing is sequence
range(3) is sequence
(l | map('string')) is sequence
l is iterable
n is iterable
s is iterable
missing is iterable
(l | map('string')) is iterable
range is callable
s.upper is callable
s is callable
missing is callable
n is odd
n is even
f is odd
s is odd
n is divisibleby(7)
n is divisibleby 2
n is divisibleby(0)
'abc' is lower
'ABC' is upper
5 is lower
none is sameas none
n is sameas 7
l is sameas l
l is sameas [3, 1, 2]
t is sameas true
1 is sameas true
n is eq 7
n is equalto 7
n is ne 7
n is gt 3
n is greaterthan(3)
n is ge 7
n is lt 3
n is lessthan 3
n is le 7
n is == 7
n is in [7, 8]
n is not in [7, 8]
'a' is in 'abc'
'upper' is filter
'zz' is filter
'odd' is test
n is filter
not n is odd
n is odd and s is string
n is odd or missing.x
n + 1 is odd
(n + 1) is odd
n is odd is true
-n is odd
s | length is odd
n is divisibleby 7 and t
cycler('a', 'b').next()
joiner(',')()
dict(a=1, b=2)
dict([('a', 1)], b=2)
dict({'x': 1}, x=2)
dict(1)
dict([1])
namespace(a=1).a
namespace(a=1)['a']
namespace({'a': 1}, b=2).b
namespace(a=1).b
namespace(_a=1)
namespace(a=1)
lipsum is callable
strftime_now('%d %B %Y')
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%A %a %j %y %p %I %e|%-d|%%')
strftime_now('%F %T %D %R %u %w %U %W %C %h %n')
raise_exception('no')
raise_exception()
strftime_now()
'a'.join(['x', 'y'], 1)
s.upper(1)
s.replace('a')
n()
'x'()
{'a': range}['a'](2) | list
[1, 2, 3] | length == 3
[1, 2] | sum + 1
1 if [] else 2
[x for x in l]
1 +
)
a b
'unclosed
{'a' 1}
[1 2]
d.
d.'a'
f(**{'a': 1}, *[1])
range(*[1, 4]) | list
range(*[1], **{}) | list
dict(**{'a': 1}, **{'b': 2})
dict(a=1, a=2)
dict(**{'a': 1})
dict(a=1, **{'a': 2})
s[1:2, 3]
d[1, 2]
{(1, 2): 'x'}[1, 2]
{[1]: 2}
l | join(d=', ')
l | join(zz=', ')
l | batch
'a' 'b' | upper
'a' ~ 'b' | upper
('a' ~ 'b') | upper
1 + 2 | string
n|string|length
-5 | abs + 1
(1).real
loop
caller
self
super()
varargs
names|map('length')|list
names|map("first")|join
'a,b'|string|upper
users|map(attribute=none)|list|length
users[0].tags[0]
users[0]['address'].city
users[-1].name
users|length
users|last
(users|first).name
users|list|first|dictsort|first
messages|selectattr('role','equalto','user')|map(attribute='content')|map('trim')|join('|')
messages[0]['role'] == 'system'
messages[1:]|length
messages|rejectattr('role','in',['system','assistant'])|list|length
messages|map(attribute='role')|list
messages|map(attribute='role')|unique|join(' ')
messages|groupby('role')|map('last')|map('length')|list
messages|tojson
(messages|last).content
'</think>' in 'a</think>b'
'a</think>b'.split('</think>')[-1]
'a</think>b'.split('</think>')[0].split('<think>')[-1].lstrip('\n')
'<think>\nx\n</think>\n\ny'.split('</think>')[-1].lstrip('\n')
uni | upper
uni | length
uni | tojson | length
uni.split(' ')
uni | list | length
'e\u0301' | length
'e\u0301' == 'é'
'\r\n' | length
'a\r\nb'.split('\n')
'a\r\nb'.replace('\n', 'x')
'👨‍👩‍👧' | length
'👨‍👩‍👧'[0] == '👨'
'ab' < 'ab\u0300'
quote
[quote]
['it\'s']
['"']
['\'"']
['\x00\x7f\xa0\u200b\ue000é\U0001F600']
[1.0, 1e100, 1e-7]
[html]
{'k': html}
[s, [s, {s: s}]]
[missing]
[none, true]
[(1,), ()]
[d.keys()]
[range(3)]
5 * [missing]
10000000000 * 10000000000
9223372036854775807 + 0
-9223372036854775807 - 1
s * 0
'' * 1000000
[] * 1000000
'x' * 5 | length
2.5 | wordwrap
'x' | pprint(2)
ll.copy(1)
''.splitlines([])
'a\nb'.splitlines(1)
d is filter
[] is test
'' | sort('')
'x' % missing
'x' % l
'x' % d.items()
1 | items
not (1 | items)
'ab' | batch([]) | list
'ab' | slice('') is iterable
'12' | int(5, 'x')
'12.5' | int(5, 'x')
('<b' | e) | list
('<b' | e)[0]
('<b' | e).split('&')
""".strip("\n").split("\n")

# Whole templates.
TEMPLATES = [
    "", "a", "a\n", "a\n\n", "\n", "\r\n", "a\r\nb\rc\n", "{{ 1 }}\n", "{{ 1 }}\n\n", "{# c #}", "{# c #}\nx",
    "a {# c #} b", "a {#- c -#} b", "a\n  {# c #}\nb", "a\n  {#+ c #}\nb", "a\n {# c +#}\nb", "{#-#}", "{#- -#} x", "{##}x",
    "{# unclosed", "{{ unclosed", "{% unclosed", "{{ }}", "{% %}", "{{ 1 %}", "{% if 1 }}x{% endif %}", "{{ '}}' }}",
    "{{ {'a': {'b': 1}}}}", "{{ {'a': {'b': 1}} }}", "{{ ({}) }}", "{{'%}'}}", "{{- 1 -}} x", "x {{- 1 -}} y", "x\n\n{{- 1 }}\n y",
    "x {{+ 1 }} y", "{{-1}}", "{{ -1}}", "{{1-}}", "{{ 1 -}}\n\n x", "{ { 1 } }", "{ % if %}", "a { b", "a {", "{{{}}}", "{{ '{{' }}",
    "{% if true %}\nx\n{% endif %}\ny", "  {% if true %}  \n  x\n  {% endif %}  \ny", "  {%+ if true %}\nx{% endif %}", "a  {% if true %}x{% endif %}",
    "{% if true +%}\nx\n{% endif +%}\ny", "{% if true -%}\n  x\n{%- endif -%}\n y", "\n  {% if true %}\n\n  x{% endif %}", "{%- if true -%} x {%- endif -%}",
    "{% raw %}{{ x }} {% y %}{% endraw %}", "{% raw %}\n  a\n{% endraw %}\nb", "{%- raw -%}\n a {%- endraw -%}\n b", "  {% raw %}  x  {% endraw %}  ", "{% raw %}", "{% raw -%} {# x #} {%+ endraw +%}\nx",
    "{%raw%}x{%endraw%}", "{% raw %}a{% endraw %}\n{% raw %}\nb\n  {% endraw %}",
    "{% if n %}a{% elif s %}b{% else %}c{% endif %}", "{% if zero %}a{% elif s %}b{% else %}c{% endif %}", "{% if zero %}a{% elif e %}b{% else %}c{% endif %}", "{% if e %}x{% endif %}",
    "{% if n, %}tuple{% endif %}", "{% if %}x{% endif %}", "{% if n %}x", "{% if n %}{% else %}{% elif n %}{% endif %}", "{% endif %}", "{% else %}", "{% if n %}{% endfor %}", "{% foo %}", "{% if n: %}x{% endif %}",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in empty %}x{% else %}none{% endfor %}", "{% for x in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in [1,1,2] %}{{ loop.changed() }} {% endfor %}", "{% for x in [1,1,2] %}{{ loop.changed(x, 1) }} {% endfor %}", "{% for a, b in ll %}{{ a }}-{{ b }} {% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}",
    "{% for (a, b) in ll %}{{ a }}{{ b }}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in l %}x{% endfor %}", "{% for a, b in [[1]] %}x{% endfor %}", "{% for a, in [[1]] %}{{ a }}{% endfor %}", "{% for c in s %}{{ c }}.{% endfor %}", "{% for x in n %}x{% endfor %}", "{% for x in missing %}x{% else %}e{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }} {% endfor %}", "{% for x in l if x > 10 %}x{% else %}none{% endfor %}", "{% for x in l if x > 1 %}{{ loop.length }}{{ loop.revindex }} {% endfor %}", "{% for x in range(6) if x is odd %}{{ loop.previtem }}{{ x }}{{ loop.nextitem }} {% endfor %}",
    "{% for x in l if x > n - 5 %}{{ x }}{% endfor %}", "{% for x in l if loop.index > 1 %}{{ x }}{% endfor %}", "{% set ns = namespace(done=false) %}{% for x in l if not ns.done %}{{ x }}{% set ns.done = true %}{% endfor %}", "{% for x in l if x is undefined %}{% else %}{{ x is defined }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}!", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}!", "{% for x in l %}{% break %}{% else %}else{% endfor %}", "{% for x in l %}{% continue %}{% else %}else{% endfor %}", "{% break %}", "{% continue %}", "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in l %}{% for y in empty %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}.", "{% for x in l %}{% set y %}{% break %}{% endset %}{% endfor %}ok", "{% for x in l %}a{% filter upper %}b{% continue %}c{% endfilter %}d{% endfor %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for x in l %}{% with %}{% break %}{% endwith %}{% endfor %}ok",
    "{% for x in ll recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}]{% endfor %}", "{% for x in [[1,[2]],3] recursive %}{{ loop.depth }}{{ loop.depth0 }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}", "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% set o = 5 %}{% for x in [[1],[2]] recursive %}{{ o }}{% if x is iterable %}{{ loop(x) }}{% endif %}{% else %}none{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% for x in l %}{% set outer = loop %}{% for y in l %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}", "{{ loop.index }}", "{{ loop }}", "{% for x in l %}{% endfor %}{{ x }}", "{% for x in l %}{{ loop }} {% endfor %}", "{% for loop in l %}{% endfor %}", "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% for n in l %}{{ n }}{% endfor %}{{ n }}",
    "{% for x in l %}{{ loop.zz is defined }}{% endfor %}", "{% for x in l|map('string') %}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}", "{% for x in l|reverse %}{{ x }}{{ loop.revindex }} {% endfor %}", "{% for x in range(3) %}{{ loop.last }}{% endfor %}", "{% for i in range(n) %}{{ i }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in l if x else [] %}{% endfor %}", "{% for x in (l if t else []) %}{{ x }}{% endfor %}", "{% for x in l or [] %}{{ x }}{% endfor %}", "{% for x l %}{% endfor %}", "{% for x in %}{% endfor %}", "{% for 1 in l %}{% endfor %}", "{% for x.y in l %}{% endfor %}",
    "{% set x = 5 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x = 1, 2 %}{{ x }}", "{% set (x, y) = ll[0] %}{{ x }}{{ y }}", "{% set x, y = [1] %}", "{% set x, y = 5 %}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}", "{% set x %}\n  a\n{% endset %}[{{ x }}]", "{% set x = %}", "{% set 1 = 2 %}", "{% set none = 2 %}", "{% set x.y = 1 %}", "{% set d.a = 1 %}", "{% set x %}", "{% set x = 1 %}{% set x = x + 1 %}{{ x }}", "{% set n = n + 1 %}{{ n }}", "{{ n }}{% set n = 1 %}{{ n }}", "{% set a = b = 1 %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% for i in l %}{% set y = i %}{% endfor %}{{ y }}", "{% for i in l %}{{ y }}{% set y = i %}{% endfor %}", "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% if u %}{% set x = 1 %}{% endif %}{{ x }}", "{% if u %}{% set n = 1 %}{% endif %}{{ n }}", "{% if u %}{% set n = 1 %}{% else %}{% set n = 2 %}{% endif %}{{ n }}", "{% if u %}{% set n = 1 %}{% elif u %}{% set n = 2 %}{% endif %}{{ n }}", "{% for i in l %}{% if i == 1 %}{% set n = 0 %}{% endif %}{{ n }}{% endfor %}{{ n }}", "{% for i in l %}{{ z }}{% endfor %}{% set z = 1 %}", "{% for i in l %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}", "{% macro m() %}{{ zz }}{% endmacro %}{{ m() }}{% set zz = 1 %}{{ m() }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{% set ns = namespace(a=1, b=2) %}{% set ns.a, ns.b = ns.b, ns.a %}{{ ns.a }}{{ ns.b }}", "{% set ns = namespace() %}{% set ns.x %}text{% endset %}{{ ns.x }}", "{% set ns = namespace(items=[]) %}{% set ns.items = ns.items + [1] %}{{ ns.items }}", "{% set ns = namespace(a=1) %}{{ ns }}", "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns.self.self is sameas ns }}", "{% set l.x = 1 %}", "{% set zz.x = 1 %}",
    "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}{{ m() }}", "{% macro m(a, kwargs=5) %}{{ a }}{{ kwargs }}{% endmacro %}{{ m(1) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(7) }}", "{% macro m(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}", "{% macro m(a=n) %}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro %}{% endmacro %}", "{% macro m() %}x{% endmacro %}{{ m }}", "{% macro m() %}x{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}",
    "{% macro m(a, b=1) %}{% endmacro %}{{ m.arguments }}", "{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}", "{% macro m() %}{{ n }}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}<{{ x }}>{% endmacro %}{{ f(1) }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% set ns = namespace() %}{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.m = m %}{% endfor %}[{{ ns.m() }}]", "{% if t %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}", "{% if u %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}", "{% macro m() %}  x  {% endmacro %}[{{ m() }}][{{ m()|trim }}]", "{% macro m() -%}\n  x\n{%- endmacro %}[{{ m() }}]", "{% macro m(x) %}{{ x|upper }}{% endmacro %}{{ m('a') + m('b') }}", "{{ m() }}{% macro m() %}x{% endmacro %}", "{% macro m(x) %}{% for i in x %}{{ loop.index }}{{ n }}{% endfor %}{% endmacro %}{{ m(l) }}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{{ m() }}{% call m() %}yes{% endcall %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{{ n }}{% endcall %}", "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m(x) %}{{ x }}[{{ caller() }}]{% endmacro %}{% call m(5) %}y{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% call n %}{% endcall %}", "{% call 5 %}{% endcall %}", "{% macro m() %}{{ caller(5) }}{% endmacro %}{% call m() %}x{% endcall %}", "{% macro m() %}{{ caller.arguments }}{% endmacro %}{% call(a) m() %}{% endcall %}", "{% set x = 1 %}{% macro m() %}{% set x = 2 %}{{ caller() }}{% endmacro %}{% call m() %}{{ x }}{% endcall %}", "{% macro o() %}{{ caller() }}{% endmacro %}{% macro i() %}({{ caller() }}){% endmacro %}{% call o() %}{% call i() %}x{% endcall %}{% endcall %}", "{% call s.upper() %}{% endcall %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') %}aaa{% endfilter %}", "{% filter upper | replace('A', 'x') %}aaa{% endfilter %}", "{% filter zz %}{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}", "{% set x = 1 %}{% filter upper %}{% set x = 2 %}{{ x }}{% endfilter %}{{ x }}", "{% filter %}{% endfilter %}",
    "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a = n, n = 1 %}{{ a }}{{ n }}{% endwith %}{{ n }}", "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% with a, b = ll[0] %}{{ a }}{{ b }}{% endwith %}", "{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}", "{% with a = 1 %}{% with a = a + 1 %}{{ a }}{% endwith %}{{ a }}{% endwith %}",
    "{% generation %}a{{ n }}{% endgeneration %}", "{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}", "{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% generation %}", "a\n{% generation %}\n b\n{% endgeneration %}\nc",
    "{% print n %}", "{% print n, s %}", "{% print %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}", "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% set j = joiner(';') %}{{ j() }}{{ j() }}{{ j() }}", "{{ cycler() }}", "{{ cycler('a').pos }}{{ cycler('a', 'b').items }}",
    "{% set m = names|map('upper') %}{{ m|list }}{{ m|list }}", "{% set m = names|map('upper') %}{{ m|first }}{{ m|list }}", "{% set m = names|map('upper') %}{{ 'BOB' in m }}", "{% set k = d.keys() %}{{ k|list }}{{ k|length }}{{ 'a' in k }}", "{% set f = s.upper %}{{ f() }}", "{% set r = range %}{{ r(2)|list }}", "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join(',') }};{% endfor %}", "{% for g, us in users|groupby('age') %}{{ g }}{{ us|length }} {% endfor %}",
    "{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{{ v }}{% endfor %}", "{% for row in range(5)|batch(2) %}{{ row|join(',') }};{% endfor %}", "{{ n }}{{ s }}\n{{ l }}", "{{ n\n}}\n{{ s\n|upper }}", "{%\n if\n n\n %}x{% endif\n%}", "{{ ['a',\n 'b'] }}", "{{ 'a\nb' }}", "{{ \"a\\\nb\" }}",
    "{{ raise_exception('x' ~ n) }}", "{% if n > 5 %}{{ raise_exception('big') }}{% endif %}", "{% if n > 50 %}{{ raise_exception('big') }}{% endif %}ok", "{% if u %}{{ 1|nofilter }}{% endif %}ok", "{% if t %}{{ 1|nofilter }}{% endif %}", "{{ 1|nofilter }}", "{% if u %}{% for x in l %}{{ x|nofilter }}{% endfor %}{% endif %}", "{{ 1|nofilter if u else 2 }}", "{{ 1 is notest if u else 2 }}", "{% if u and 1 is notest %}{% endif %}ok",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{% do x %}", "{% trans %}x{% endtrans %}", "{% debug %}",
    "{{ messages[0].content }}{% for m in messages[1:] %}{{ m.role|upper }}: {{ m.content|trim }}\n{% endfor %}", "{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' + m['content'] + '\n' }}{% endfor %}", "{% for m in messages %}{% if loop.index0 % 2 == 0 %}e{% else %}o{% endif %}{% endfor %}", "{% for m in messages %}{%- if m.role == 'user' -%}\n  [INST] {{ m.content | trim }} [/INST]\n{%- elif m.role == 'assistant' -%}\n  {{ m.content }}</s>\n{%- endif -%}\n{% endfor %}",
    "{%- set ns = namespace(found=false, last=none) -%}{%- for m in messages[::-1] -%}{%- if not ns.found and m.role == 'user' -%}{%- set ns.found = true -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}{{ ns.last }}", "{% for m in messages|reverse %}{{ m.role[0] }}{% endfor %}", "{% set first = messages|first %}{{ first.role }}", "{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}{% set messages = messages[1:] %}{% else %}{% set sys = '' %}{% endif %}{{ sys }}{{ messages|length }}", "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ add_generation_prompt }}", "{% if tools is not none and tools is defined %}{{ tools }}{% endif %}x", "{% if tools %}x{% else %}y{% endif %}", "{%- for m in messages %}\n    {%- if loop.first and m.role != 'system' %}\nno\n    {%- endif %}\n    {{- m.role }}\n{%- endfor %}",
    "{{ '%d' % n }}{{ '%s' % s }}", "{{ bos_token }}{{ bos_token|default('<s>') }}", "{{ {'a': n, 'b': s}|tojson }}", "{{ users|tojson(indent=4) }}", "{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}", "{% set parts = [] %}{% set _ = parts.append(1) %}{{ parts }}", "{% set text = '' %}{% for m in messages %}{% set text = text ~ m.content %}{% endfor %}[{{ text }}]",
    "{% for k in d.b %}{{ k }}{% endfor %}{% for k in 'ab' %}{{ k }}{% endfor %}", "{% set a %}x{% set b %}y{% endset %}{{ b }}{% endset %}{{ a }}{{ b }}", "{% set x = 1 %}{% macro m() %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}{% endmacro %}{{ m() }}{{ x }}", "{% for i in l %}{% with x = i %}{{ x }}{{ loop.index }}{% endwith %}{% endfor %}", "{% for i in l %}{% set x %}{{ loop.index }}{% endset %}{{ x }}{% endfor %}", "{% for i in l %}{% filter upper %}{{ loop.index }}{% endfilter %}{% endfor %}", "{% for i in l recursive %}{{ i }}{% break %}{% endfor %}", "{% for i in [] recursive %}{{ i }}{% else %}none{% endfor %}",
    "{% for a in l %}{% for b in l if b != a %}{{ a }}{{ b }} {% endfor %}{% endfor %}", "{% for a in l if a in l and a > 1 %}{{ a }}{% endfor %}", "{% set x = 9 %}{% for x in [1] if x == 1 %}{{ x }}{% endfor %}{{ x }}", "{% for x in l %}{% if loop.last %}{{ x }}{% endif %}{% else %}e{% endfor %}", "{% macro m(l) %}{% for x in l recursive %}{{ x if x is number else '(' ~ loop(x) ~ ')' }}{% endfor %}{% endmacro %}{{ m([1, [2, [3]]]) }}",
    "{# comment with {{ x }} and {% y %} #}z", "{{ 'a' }}{# x #}{{ 'b' }}", "a{# x\ny #}\nb", "{{ n }} {% if t %} {{ n }} {% endif %} {{ n }}", "\t{% if t %}\tx\n\t{% endif %}\n", "x\n{% if t %}y{% endif %}\n\nz", "{% set x = 1 %}\n\n{{ x }}\n", " {{ n }}\n {% set y = 1 %}\n {{ y }}", "{{ n }}{%- if t %}\n  x{% endif %}", "<|im_start|>{{ n }}\n{%- if t %}\n y\n{%- endif %}\n", "a {%- if t -%} b {%- else -%} c {%- endif -%} d", "{%- for x in l %}\n{{ x }}\n{%- endfor %}", "{% for x in l -%}\n {{ x }}\n{% endfor -%}\n end",
    "{{ caller }}", "{{ kwargs }}", "{% set kwargs = 1 %}{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(a=2) }}", "{% macro m() %}{% if varargs %}{{ varargs[0] }}{% endif %}{% endmacro %}{{ m(3) }}", "{{ dict(a=1).a }}", "{{ d is mapping and d.a is number }}", "{{ 'a' if d.zz is undefined else 'b' }}", "{{ (d.b|first) + (d.b|last) }}", "{{ d.b|map('string')|join('+') }}", "{{ not d.zz }}", "{{ d.zz == '' }}", "{{ d.zz|default(none) is none }}", "{{ d.zz|default({})|length }}", "{{ [d.zz, 1]|select('defined')|list }}",
    "{{ 5|string|length + 1 }}", "{{ -1|abs }}", "{{ 2**2**3 }}", "{{ 1 - -1 }}", "{{ 1--1 }}", "{{ not true == false }}", "{{ 1 < 2 == true }}", "{{ 'a' in 'abc' == true }}", "{{ 1 if 0 else 2 if 0 else 3 }}", "{{ (1 if 1 else 2) + 1 }}", "{{ 1 or 2 and 3 }}", "{{ [1,2]|first == 1 and 3 }}", "{{ 'x' is string == true }}", "{{ n is number and not n is string }}", "{{ n is none or s is string }}", "{{ 'ab'[0]|upper ~ 'c' }}", "{{ 'a'.upper().lower().upper() }}", "{{ ['a']['0'] }}", "{{ d['b'][0] + 1 }}", "{{ {'a': {'b': {'c': 1}}}.a.b.c }}", "{{ ' '.join(['a', 'b'])|upper }}", "{{ ('a', 'b')|join }}", "{{ s.split(' ')[0].lower()[::-1] }}",
]


def result(env, template):
    """What a template renders, or nothing and the error."""
    try:
        return {"expected": env.from_string(template).render(VALUES)}
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError,
            RecursionError, SyntaxError, AssertionError, RuntimeError) as error:
        return {"error": True, "message": f"{type(error).__name__}: {error}"[:120]}


# Python has whole numbers of any size, addresses in some texts.


# What differs on purpose: no complex numbers, bytes, or whole numbers beyond 64 bits.
DIFFERENT = {
    "{{ (-8) ** 0.5 }}", "{{ 'a'.encode() }}", "{{ self }}", "{{ 10000000000 * 10000000000 }}",
    "{% set ns = namespace() %}{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.m = m %}{% endfor %}[{{ ns.m() }}]",
}


def main():
    env = environment()
    cases = []
    for template in ["{{ " + line + " }}" for line in EXPRESSIONS] + TEMPLATES:
        case = {"template": template, **result(env, template)}
        if template in DIFFERENT or " at 0x" in case.get("expected", ""):
            continue
        cases.append(case)
    with open("cases.json", "w", encoding="utf-8") as file:
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        file.write('{"values": ' + json.dumps(VALUES, ensure_ascii=False) + ',\n"cases": [\n' + lines + "\n]}\n")
    errors = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {errors} of them errors")


if __name__ == "__main__":
    main()
