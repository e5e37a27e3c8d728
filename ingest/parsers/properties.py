"""What an office file says of itself, beside its text."""

from __future__ import annotations

from ingest.parsers.package import Package, local


def stated_title(package: Package) -> str | None:
    """Return the title an office file states; one word, such as `Document1`, is what a program put there."""
    for part in ("docProps/core.xml", "meta.xml"):
        root = package.xml(part)
        for element in root.iter() if root is not None else ():
            if local(element) == "title" and element.text and " " in element.text.strip():
                return str(element.text)
    return None


def comment_of(author: str | None, text: str) -> str:
    """Return a remark on a document so that nobody takes it for the document's own words."""
    words, name = " ".join(text.split()), " ".join((author or "").split())
    if name and words.startswith(f"{name}:"):  # some programs begin the remark with who makes it
        words = words[len(name) + 1 :].strip()
    if not words:
        return ""
    return f"Comment ({name}): {words}" if name else f"Comment: {words}"
