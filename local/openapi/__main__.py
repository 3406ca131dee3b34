"""`make openapi`: write the document to where it is kept."""

from __future__ import annotations

from local.openapi.document import FILE, text
from local.template import ROOT

FILE.write_text(text())
print(f"written: {FILE.relative_to(ROOT)}")
