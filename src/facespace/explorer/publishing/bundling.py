"""Native ES modules as one text, for a page that can load no file: each module becomes a function that is
called after those of the modules that it imports. Knows the forms of import and export that the page uses,
and refuses others."""

import posixpath
import re
from collections.abc import Mapping

IMPORT = re.compile(r"^import (\{[^}]*\}|\* as \w+) from '(\.[^']+)';$", re.MULTILINE)
REEXPORT = re.compile(r"^export \{([^}]*)\} from '(\.[^']+)';$", re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function\*?|class|const) ([\w$]+)", re.MULTILINE)
NOTHING = "export {};"  # of a module with types alone
OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
EXPORTS = re.compile(r"export\s*\{([^{}]*)\};?\s*(?://# sourceMappingURL=\S*\s*)?$")
MODULES = "facespaceModules"


def bundle(sources: Mapping[str, bytes], first: str) -> str:
    """The module `first` and all that it imports, by path, as one text. Raises AssertionError for a form of
    import or export that is none of the page's, and for modules that import each other."""
    written: dict[str, str] = {}
    open_modules: list[str] = []

    def add(name: str) -> None:
        assert name not in open_modules, f"modules import each other: {name}"
        if name in written:
            return
        open_modules.append(name)
        source = sources[name].decode()
        for found in (*IMPORT.finditer(source), *REEXPORT.finditer(source)):
            add(_resolved(name, found[2]))
        open_modules.remove(name)
        written[name] = _as_function(name, source)

    add(first)
    return "\n".join((f"const {MODULES} = {{}};", *written.values()))


def _resolved(importer: str, other: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), other))


def _as_function(name: str, source: str) -> str:
    """A module as a call of a function that returns what it exports."""
    exported = [found[2] for found in EXPORT.finditer(source)]
    reexported: list[str] = []

    def imported(found: re.Match[str]) -> str:
        names = found[1].removeprefix("* as ").replace(" as ", ": ")
        return f"const {names} = {MODULES}['{_resolved(name, found[2])}'];"

    def passed_on(found: re.Match[str]) -> str:
        reexported.extend(part.strip() for part in found[1].split(",") if part.strip())
        return f"const {{{found[1].replace(' as ', ': ')}}} = {MODULES}['{_resolved(name, found[2])}'];"

    text = REEXPORT.sub(passed_on, IMPORT.sub(imported, source)).replace(NOTHING, "")
    text = EXPORT.sub(r"\1 \2", text)
    left = OTHER.search(text)
    assert left is None, f"{name} has another form of import or export: {left and left[0]}"
    names = ", ".join([*exported, *reexported])
    return f"{MODULES}['{name}'] = (() => {{\n{text}\nreturn {{ {names} }};\n}})();"


def library(module: str, name: str) -> str:
    """A bundled module of another project, which imports nothing, as a statement of a script (not a module)
    that sets a global name."""
    found = EXPORTS.search(module)
    assert found is not None, "the runtime has another form of export"
    pairs: list[str] = []
    for part in found[1].split(","):
        inner, _, outer = part.strip().partition(" as ")
        pairs.append(f"'{outer or inner}': {inner}")
    text = module[: found.start()].replace("import.meta.url", "globalThis.location.href")
    return f"globalThis.{name} = (() => {{\n{text}\nreturn {{ {', '.join(pairs)} }};\n}})();"
