"""Names of files and folders that systems, network disks and notebooks leave behind: never data, and never in
the way of a new folder. Reads no disk."""

_NAMES = """__macosx @eadir @recycle #recycle $recycle.bin thumbs.db ehthumbs.db desktop.ini __pycache__
    lost+found @synoeastream"""
NAMES = frozenset({*_NAMES.split(), "system volume information", "icon\r"})


_HIDDEN = ".ds_store .directory .localized .trashes .spotlight-v100 .fseventsd .temporaryitems .apdisk"
OWN = ".facespace-"  # of a folder that is being written


def is_system_file(name: str) -> bool:
    """Whether a file or a folder is one that a system makes by itself, so that a folder that holds nothing
    else counts as empty. Narrower than `is_left_behind`: .git is the user's."""
    low = name.lower()
    return low in NAMES or low in _HIDDEN.split() or name.startswith("._") or OWN in name


def is_left_behind(name: str) -> bool:
    """Whether the name of a file or a folder is one that systems leave behind, at any case, or hidden."""
    return name.startswith(".") or name.lower() in NAMES
