"""What a person wrote themselves: a reply without what it quotes and without its signature. Pure."""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 4_000
"""Characters that are read; who writes more than that has a person's attention anyway."""
LINES: Final = 400
ONE_LINE: Final = 1_000
"""Characters up to which a reply is looked through for a quotation or closing within a line."""

_QUOTED: Final = re.compile(
    r"""^\s*(?:
        (?:Am|Den|On|Le)\s.{4,160}\b(?:schrieb(?:en)?|wrote|writes|sent|geschrieben|écrit)\b.{0,120}:?\s*$   # Am … schrieb …:
      | .{0,120}\b(?:schrieb|wrote)\s*(?:am|on)?\s.{0,80}:\s*$
      | -{2,}\s*(?:Urspr\w*\s|Original\s?|Weitergeleitete\s|Forwarded\s|Begin\s).{0,60}-*\s*$                # -----Original Message-----
      | (?:Von|From|De)\s?:\s.+$
      | (?:Gesendet|Sent|Betreff|Subject|An|To|Datum|Date|Cc)\s?:\s.+$
      | _{8,}\s*$
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""The line that begins what was written by somebody else, to the end of the mail."""
_HALF: Final = re.compile(r"^\s*(?:Am|On)\s.{4,160}$", re.IGNORECASE)
_OTHER_HALF: Final = re.compile(r"(?:schrieb(?:en)?|wrote)\b.{0,120}:\s*$", re.IGNORECASE)
"""The same, broken over two lines by a mail program."""
_SIGNATURE: Final = re.compile(
    r"""^\s*(?:
        --\s?$ | —\s?$ | -{3,}\s*$ | ={3,}\s*$
      | (?:Sent|Gesendet|Von\smeinem|Diese\sNachricht\swurde\svon|Get\sOutlook)\b.{0,20}
        \b(?:from|von|mit|via|meinem|for|für|Android|iPhone|iPad|Handy|Mobil)\b.{0,60}$
      | (?:Outlook|Yahoo\sMail)\s(?:für|for)\s.{0,40}$
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING: Final = re.compile(
    r"""^\s*(?:
        (?:mit\s)?(?:freundlich\w*|besten?|viele[n]?|liebe[n]?|herzlich\w*|sch(?:ö|oe)ne[n]?|sonnige)
        \s+(?:gr[üu]e?(?:ß|ss)\w*)\b.{0,40}
      | gr(?:u|ü|ue)(?:ß|ss)e?\b.{0,40} | mfg\b.{0,40} | lg\b.{0,30} | vg\b.{0,30} | hochachtungsvoll\b.{0,10}
      | (?:kind|best|warm|many)?\s*regards\b.{0,30} | yours\s(?:sincerely|faithfully|truly)\b.{0,10} | sincerely\b.{0,10}
      | best(?:\swishes)?\s*,?
    )\s*[,.!]*\s*$""",
    re.VERBOSE | re.IGNORECASE,
)
"""A closing formula on a line of its own; what stands below it is a name, a company, a register court."""

_INLINE: Final = re.compile(
    r"""(?<=\S)[\s,]+(?:
        \b(?:Am|On)\s[^\n]{4,90}?\b(?:schrieb|wrote)\b[^:\n]{0,60}:.*
      | (?:-----|_____).*
      | \b(?:Sent\sfrom\smy|Gesendet\svon\smeinem|Von\smeinem\s\w+\sgesendet)\b.*
      | \b(?:mit\s(?:freundlichen|besten|herzlichen|lieben)\s)gr(?:ü|ue|u)(?:ß|ss)en\b.{0,90}
      | \b(?:freundliche|viele|liebe|beste|schöne|herzliche)\s(?:gr(?:ü|ue|u)(?:ß|ss)e)\b.{0,90}
      | \b(?:mfg|lg|vg)\b.{0,60}
      | \b(?:kind|best|warm)\sregards\b.{0,90} | \byours\s(?:sincerely|faithfully)\b.{0,90}
    )\Z""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""The same in a reply of one line, as chats and short messages have it."""


def own_words(text: str) -> str:
    """The reply alone; empty where somebody sent back nothing but what they had got."""
    kept: list[str] = []
    lines = text[: 4 * MOST].replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").split("\n")[:LINES]
    for number, line in enumerate(lines):
        if line.lstrip().startswith((">", "|")):
            continue
        broken = _HALF.match(line) is not None and number + 1 < len(lines) and _OTHER_HALF.search(lines[number + 1][:300]) is not None
        short = line[:400]
        if broken or _QUOTED.match(short) or _SIGNATURE.match(short):
            # Some write below what they quote: then nothing was kept yet, and only the quotation is left out.
            if any(each.strip() for each in kept):
                break
            continue
        if _CLOSING.match(short) and any(each.strip() for each in kept):
            break
        kept.append(line)
    own = "\n".join(kept).strip()[:MOST]
    return _INLINE.sub("", own, count=1).strip() if len(own) < ONE_LINE else own
