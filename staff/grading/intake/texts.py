"""Sources as text, whatever editor saved them."""

import codecs
import io
import re
import tokenize

# Encodings of editors that students have used; others, such as rot13, are no texts.
_KNOWN = {
    *("ascii", "utf-8", "latin-1", "iso8859-1", "iso8859-15", "cp1250", "cp1251"),
    *("cp1252", "mac-roman", "koi8-r", "gbk", "gb2312", "gb18030", "big5"),
    *("shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"),
}
_MARKS = (  # the longer first: one begins with the other
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COOKIE = re.compile(r"^([ \t\f]*#.*?coding[:=][ \t]*)([-\w.]+)", re.ASCII)


def decode(content: bytes) -> tuple[str, str]:
    """Return a source's text, with plain line ends, and the encoding it was in.

    A line that names the encoding then names UTF-8, in which the text goes on.

    Args:
        content: The file.

    Returns:
        The text; and the encoding, empty if it was UTF-8 as it should be.

    Raises:
        ValueError: If it is no text; the message says why.
    """
    text, encoding = _decode(content)
    if "\0" in text:
        raise ValueError("it holds NUL characters, as no source does")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n", 2)
    for k, line in enumerate(lines[:2]):
        lines[k] = _COOKIE.sub(r"\1utf-8", line)
    return "\n".join(lines), encoding


def _decode(content: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), encoding.upper()
            except UnicodeDecodeError:
                raise ValueError(f"it is damaged {encoding.upper()}") from None
    plain = content.removeprefix(codecs.BOM_UTF8)
    try:
        return plain.decode(), ""
    except UnicodeDecodeError:
        pass
    try:
        named = tokenize.detect_encoding(io.BytesIO(plain).readline)[0]
        if codecs.lookup(named).name in {codecs.lookup(n).name for n in _KNOWN}:
            return plain.decode(named), named
    except (SyntaxError, UnicodeDecodeError, LookupError):
        pass
    return plain.decode("latin-1"), "Latin-1"
