"""Names of image files as tables have them: endings, stems, keys."""

import unicodedata

PICTURES = ("jpg", "jpeg", "png", "webp", "avif", "tif", "tiff", "bmp", "gif", "ppm", "pgm", "jp2", "tga")
PICTURES = (*PICTURES, "jpe", "jfif", "heic", "heif", "hif")


def stem(name: str) -> str:
    """A file's name without its ending."""
    return name.rpartition(".")[0] or name


def has_picture_ending(name: str) -> bool:
    """Whether a file's name has the ending of an image file."""
    return name.rpartition(".")[2].lower() in PICTURES


def stem_of_picture(name: str) -> str:
    """A file's name without the ending of an image file; another name as it is."""
    return stem(name) if has_picture_ending(name) else name


def key(name: str) -> str:
    """What a file on the disk and a row of a table have in common where all files lie in one folder: the stem
    of the name without folders and blanks, in one Unicode form, without case."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").strip().rpartition("/")[2]
    return stem_of_picture(last.strip()).casefold()
