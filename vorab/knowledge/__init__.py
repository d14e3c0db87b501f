"""What is known about faults, for agents: articles in Markdown, read with every mistake named by file and line, and searched in full text.

`article` is what one says, `files` reads them, `search` finds them. `docs/knowledge.md` says how to write one.
"""

from __future__ import annotations

from vorab.knowledge.article import Article
from vorab.knowledge.files import Checked, Problem, check_articles, folder_of, load_articles
from vorab.knowledge.search import Found, Library

__all__ = ["Article", "Checked", "Found", "Library", "Problem", "check_articles", "folder_of", "load_articles"]
