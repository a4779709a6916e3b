"""The generated pages of the documentation site, as Markdown texts. Only hooks.py knows mkdocs; everything else
is plain text, so that tests read the pages without it."""
